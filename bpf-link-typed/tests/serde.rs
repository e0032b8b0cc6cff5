//! What is said about links, written as JSON and read back.
#![cfg(feature = "serde")]
#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use bpf_link_typed::{AttachType, KindFacts, LinkInfo, LinkInfoRef, LinkKind, RecordedBuffers};
use serde_json::{Value, json};

/// What is there to be seen of a link of this kind: these words from the fields of its kind on, and
/// these buffers.
fn with_view<T>(
    kind: LinkKind,
    words: &[u32],
    buffers: RecordedBuffers<'_>,
    see: impl FnOnce(LinkInfoRef<'_>) -> T,
) -> T {
    let mut all = vec![kind.as_raw(), 12, 34, 0];
    all.extend(words);
    all.resize(bpf_link::LinkInfo::SIZE / 4, 0);
    let bytes: Vec<u8> = all.into_iter().flat_map(u32::to_ne_bytes).collect();
    let info = bpf_link::LinkInfo::from_bytes(&bytes).expect("it has a header");
    see(LinkInfoRef::parse(&info, buffers).expect("it is whole"))
}

/// The JSON, after it was made sure that the view has the same, and that it reads back as what it
/// was.
fn json_of(kind: LinkKind, words: &[u32], buffers: RecordedBuffers<'_>) -> Value {
    with_view(kind, words, buffers, |view| {
        let json = serde_json::to_value(view).expect("it is written");
        let owned = view.into_owned();
        assert_eq!(serde_json::to_value(&owned).expect("it is written"), json);
        let text = json.to_string();
        let read: LinkInfo = serde_json::from_str(&text).expect("it is read");
        assert_eq!(read, owned, "{text}");
        json
    })
}

const EVERY_BUFFER: RecordedBuffers<'_> = RecordedBuffers {
    name: b"name\0",
    ids: &[1, 2],
    addresses: &[u64::MAX, u64::MAX - 1],
    offsets: &[3, 4],
    ref_ctr_offsets: &[5, 6],
    cookies: &[7, 8],
};

#[test]
fn every_kind() {
    for facts in KindFacts::ALL {
        for words in [[0; 12], [2; 12], [u32::MAX; 12]] {
            for buffers in [RecordedBuffers::default(), EVERY_BUFFER] {
                let json = json_of(facts.kind, &words, buffers);
                let fields = json.as_object().expect("it is an object").keys();
                let mut fields: Vec<&str> = fields.map(String::as_str).collect();
                let mut expected = vec!["type", "id", "program_id"];
                expected.extend(facts.fields.iter().map(|(name, _)| name));
                fields.sort_unstable();
                expected.sort_unstable();
                assert_eq!(fields, expected, "{}", facts.kind);
                assert_eq!(json["type"], facts.kind.to_string());
            }
        }
    }
}

#[test]
fn every_perf_event() {
    for number in 0..9 {
        let json = json_of(
            LinkKind::PerfEvent,
            &[number, 0, 7, 0, 1, 4, 1, 1],
            EVERY_BUFFER,
        );
        let expected = [
            "not_reported",
            "uprobe",
            "uretprobe",
            "kprobe",
            "kretprobe",
            "tracepoint",
            "event",
        ];
        let expected = expected.get(number as usize).unwrap_or(&"unknown");
        assert_eq!(json["event"]["type"], *expected);
    }
}

#[test]
fn as_it_looks() {
    assert_eq!(
        json_of(LinkKind::Xdp, &[3], RecordedBuffers::default()),
        json!({ "type": "xdp", "id": 12, "program_id": 34, "ifindex": 3 })
    );
    assert_eq!(
        json_of(LinkKind::KprobeMulti, &[0, 0, 2, 1], EVERY_BUFFER),
        json!({
            "type": "kprobe_multi", "id": 12, "program_id": 34,
            "count": 2, "addresses": { "visible": [u64::MAX, u64::MAX - 1] }, "cookies": [7, 8],
            "flags": "RETURN", "missed": null,
        })
    );
    let tcx = [3, AttachType::TcxIngress.as_raw()];
    assert_eq!(
        json_of(LinkKind::Tcx, &tcx, RecordedBuffers::default())["attach_type"],
        "tcx_ingress"
    );
    let other = json_of(LinkKind::Unknown(99), &[], RecordedBuffers::default());
    assert_eq!(
        (&other["type"], &other["kind"]),
        (&json!("other"), &json!(99))
    );
}

#[test]
fn a_name_that_is_no_text() {
    let named = |name| RecordedBuffers {
        name,
        ..RecordedBuffers::default()
    };
    let json = json_of(LinkKind::RawTracepoint, &[], named(b"a name\0"));
    assert_eq!(json["name"], "a name");
    let json = json_of(LinkKind::RawTracepoint, &[], named(b"\xff\xfe\0"));
    assert_eq!(json["name"], json!([255, 254]));
    let json = json_of(LinkKind::RawTracepoint, &[], named(b"\0"));
    assert_eq!(json["name"], Value::Null);
}

/// What a later release has written is read as far as this one knows it, and what an earlier one
/// has left out is not there.
#[test]
fn other_releases() {
    let later = r#"{"type":"raw_tracepoint","id":1,"program_id":2,"name":"x","cookie":3,"more":4}"#;
    let earlier = r#"{"type":"raw_tracepoint","id":1,"program_id":2}"#;
    for (text, cookie) in [(later, Some(3)), (earlier, None)] {
        let info: LinkInfo = serde_json::from_str(text).expect("it is read");
        let LinkInfo::RawTracepoint(info) = info else {
            panic!("{info:?}")
        };
        assert_eq!(info.cookie, cookie);
    }
    for wrong in [
        r#"{"type":"xdp","id":0,"program_id":2,"ifindex":3}"#,
        r#"{"type":"raw_tracepoint","id":1,"program_id":2,"name":"a\u0000b"}"#,
        r#"{"type":"raw_tracepoint","id":1,"program_id":2,"name":[256]}"#,
        r#"{"type":"something","id":1,"program_id":2}"#,
    ] {
        assert!(serde_json::from_str::<LinkInfo>(wrong).is_err(), "{wrong}");
    }
}
