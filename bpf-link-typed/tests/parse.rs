//! What is read from the bytes of an info, on any machine.
#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use bpf_link_typed::{Error, LinkInfo, LinkInfoRef, RecordedBuffers};

/// Every kind that there is, some that there are not, every length, and whatever bytes.
#[test]
fn nothing_panics() {
    let random = BuildHasherDefault::<DefaultHasher>::default();
    let mut seed = 0_u64;
    let mut next = || {
        seed += 1;
        random.hash_one(seed)
    };
    for round in 0..16 {
        let noise: [u64; 12] = std::array::from_fn(|_| next());
        let name: Vec<u8> = noise.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let ids = noise.map(|word| u32::try_from(word >> 32).expect("it is 32 bits"));
        let buffers = RecordedBuffers {
            name: if round % 2 == 0 { &name } else { b"task\0" },
            ids: &ids,
            addresses: &noise,
            offsets: &noise[..1],
            ref_ctr_offsets: &[],
            cookies: &noise[..5],
        };
        for kind in 0_u32..18 {
            // Perf events have types of their own.
            for perf_type in [0, 1, 3, 5, 6, 7, u32::MAX] {
                let mut bytes = name.clone();
                bytes[..4].copy_from_slice(&kind.to_ne_bytes());
                bytes[16..20].copy_from_slice(&perf_type.to_ne_bytes());
                for len in 0..=bytes.len() {
                    let Some(info) = bpf_link::LinkInfo::from_bytes(&bytes[..len]) else {
                        assert!(len < 12);
                        continue;
                    };
                    match LinkInfoRef::parse(&info, buffers) {
                        Ok(view) => drop(format!("{:?}", LinkInfo::from(view).is_defunct())),
                        Err(Error::ShortInfo { len: reported }) => {
                            assert!(len < 32 && reported == len);
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn it_can_be_kept_and_sent() {
    fn check<T: Send + Sync + 'static>() {}
    fn check_clone<T: Clone + PartialEq + std::fmt::Debug>() {}
    check::<LinkInfo>();
    check::<bpf_link_typed::Link>();
    check::<bpf_link_typed::InfoBuf>();
    check::<Error>();
    check_clone::<LinkInfo>();
}
