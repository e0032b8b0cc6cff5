//! The faults that are no failures.

/// The example of this name, as an operation.
pub(crate) const LIFECYCLE: &str = "lifecycle";
/// What another process does of it: the look for the link among those of the machine.
pub(crate) const LIFECYCLE_FIND: &str = "lifecycle find";

/// An answer that a fault can give and that is not taken for a failure, as it is one that the
/// kernel gives in the course of things.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the log has of the call.
    call: &'static str,
    /// Any, if there is none.
    errno: Option<i32>,
    /// The operations that take it so; all, if there is none.
    operations: &'static [&'static str],
}

/// The answers.
const ANSWERS: &[Answer] = &[
    // By this answer a link is told from another object: no descriptor has the number of the
    // program that is asked for.
    Answer::everywhere("new_prog_fd=-1", libc::EBADF),
    // And by this a program.
    Answer::everywhere("BPF_PROG_BIND_MAP", libc::EBADF),
    // A map, which is told by being asked for none of its elements, may be one that may not be
    // read.
    Answer::everywhere("BPF_MAP_LOOKUP_BATCH", libc::EPERM),
    // What was opened by its pin is told by an info with room for more than a link's. If that is
    // refused, the above tells.
    Answer::ignored("info_len=72", &[]),
    // By these a kernel is told that knows the positions of links in a cgroup: no descriptor has
    // the number of that cgroup.
    Answer::to(
        "target_fd=-1",
        libc::EBADF,
        &["create_at_a_position_in_a_cgroup"],
    ),
    // A kernel that opens no pin by its directory is asked again, by the whole path.
    Answer::to("file_flags=0x4000", libc::EINVAL, SETS),
    // The set is there, and its report says that the old pin is as well.
    Answer::ignored("/agent/entry\"", &["set_renamed"]),
    // Likewise where the pin that marks what is to be replaced cannot be removed.
    Answer::ignored("elements~bpf-link~new\", 0", &["set_renamed"]),
    Answer::ignored("elements~bpf-link~new\", bpf_fd=0", &["set_renamed"]),
    Answer::ignored("more~bpf-link~new\", 0", &["set_renamed"]),
    Answer::ignored("more~bpf-link~new\", bpf_fd=0", &["set_renamed"]),
    // Whether the program fits the hook is asked about one that does not exist.
    Answer::ignored("target_fd=-1, attach_type=BPF_CGROUP_INET_EGRESS", SETS),
    Answer::ignored("target_fd=-1, attach_type=BPF_FLOW_DISSECTOR", &[]),
    // Somebody else may have made the directory, or pinned a link there, so it is looked at again.
    Answer::to("mkdir(", libc::EEXIST, SETS),
    Answer::to("renameat(", libc::EEXIST, SETS),
    Answer::to("renameat2(", libc::EEXIST, SETS),
    // The set is there, and its report says that the old link may be as well.
    Answer::ignored("BPF_LINK_DETACH", SETS),
    Answer::ignored("BPF_LINK_GET_FD_BY_ID", SETS),
    // Whether a new iterator's program fits is asked by its info, and by a link on nothing. If it
    // cannot be told, the update tells.
    Answer::ignored("BPF_PROG_BIND_MAP", &["set_renamed", "set_upgraded"]),
    Answer::ignored("info_len=232", &["set_renamed", "set_upgraded"]),
    Answer::ignored("iter_info_len=4294967295", &[]),
    // What has just gone from a hook may be there for a moment.
    Answer::to("BPF_RAW_TRACEPOINT_OPEN", libc::EBUSY, SETS),
    Answer::to("BPF_RAW_TRACEPOINT_OPEN", libc::EEXIST, SETS),
    Answer::to("BPF_LINK_CREATE", libc::EEXIST, SETS),
    // This link does not take this program, or none, or has lost its hook: another takes its place.
    Answer::to("BPF_LINK_UPDATE", libc::EINVAL, SETS),
    Answer::to("BPF_LINK_UPDATE", libc::EOPNOTSUPP, SETS),
    Answer::to("BPF_LINK_UPDATE", libc::ENOLINK, SETS),
    // The descriptor is of something else than a program, or than a map.
    Answer::to("BPF_PROG_BIND_MAP", libc::EINVAL, SETS),
    Answer::to("BPF_MAP_LOOKUP_BATCH", libc::EINVAL, SETS),
    // There is no pin: it is made anew where it was to be moved, and nothing where it was to be
    // removed.
    Answer::to("newfstatat(", libc::ENOENT, PINNED),
    Answer::to("statx(", libc::ENOENT, PINNED),
    Answer::to("BPF_OBJ_GET,", libc::ENOENT, PINNED),
    Answer::to("unlinkat(", libc::ENOENT, PINNED),
    // A caller that may not open the program that is there updates its link all the same, without
    // expecting it, or goes on without a way back to it; and so it does where that program has
    // gone.
    Answer::to("BPF_PROG_GET_FD_BY_ID", libc::EPERM, OVER_ANOTHER),
    Answer::to("BPF_PROG_GET_FD_BY_ID", libc::ENOENT, OVER_ANOTHER),
    // The link has another program than was expected: the next look finds the one that it has.
    Answer::to("BPF_LINK_UPDATE", libc::EPERM, OVER_ANOTHER),
    // Another is on the hook: perhaps one that is taken over, or makes way.
    Answer::to("BPF_LINK_CREATE", libc::EBUSY, ON_A_HOOK),
    // Somebody else has the lock, and is waited for.
    Answer::everywhere("flock(", libc::EAGAIN),
    // Or something that has just gone from it, so the attempt is made again.
    Answer::to("BPF_LINK_CREATE", libc::EBUSY, TRIED_AGAIN),
    // A probe asks for what it must not be given: the kernel says why not, so it knows the kind.
    Answer::to("BPF_LINK_CREATE", libc::EBUSY, &["probe_an_object"]),
    Answer::to(
        "BPF_RAW_TRACEPOINT_OPEN",
        libc::ENOENT,
        &["probe_a_tracepoint"],
    ),
    // The directory that was locked has been removed: the one that has its name now is locked.
    Answer::to("newfstatat(", libc::ENOENT, &["lock_the_directory"]),
    // A signal came while another had the lock.
    Answer::everywhere("flock(", libc::EINTR),
    // Another run has removed the directory, which it had made in vain: it is made again.
    Answer::to("/sys/fs/bpf/bpf", libc::ENOENT, SETS),
    Answer::to("fstatfs(", libc::ENOENT, SETS),
    Answer::to("flock(", libc::ENOENT, SETS),
    // A directory that is not removed again does no harm, and what led to its removal is told.
    Answer::ignored("rmdir(", &["set_refused"]),
    // A lock that is not given back goes with its descriptor, which is closed next.
    Answer::ignored("LOCK_UN", &[]),
    // A link that is on its way is held open meanwhile, if that can be.
    Answer::ignored("BPF_LINK_GET_FD_BY_ID", &["ensure_replaced_with_a_gap"]),
    // A walk is at its end, and passes over a link that has gone or is being attached.
    Answer::to("BPF_LINK_GET_NEXT_ID", libc::ENOENT, WALKS),
    Answer::to("BPF_LINK_GET_FD_BY_ID", libc::ENOENT, WALKS),
    Answer::to("BPF_LINK_GET_FD_BY_ID", libc::EAGAIN, WALKS),
    // A link of which the kernel refuses the info, whatever it has against it, is passed over.
    Answer::to("info_len=64", libc::ENOENT, &["ensure_taken_over"]),
    Answer::to("info_len=64", libc::EBUSY, &["ensure_taken_over"]),
    Answer::to("info_len=64", libc::ENOSPC, &["ensure_taken_over"]),
    // Rust's library looks whether what it closes is open, and how long a file is that it reads.
    Answer::ignored("F_GETFD", &[]),
    Answer::ignored("AT_STATX_SYNC_AS_STAT|AT_EMPTY_PATH", &[]),
    // And opens a file again if it was interrupted.
    Answer::everywhere("O_RDONLY|O_CLOEXEC", libc::EINTR),
    // What was refused is looked into, for a better word than the error number: it has that number
    // if the look fails.
    Answer::ignored("fstatfs(", LOOKED_INTO),
    Answer::ignored("newfstatat(", LOOKED_INTO),
    Answer::ignored("O_PATH", LOOKED_INTO),
];

/// The answers that say to ask again, after which everything is as without the fault.
pub(crate) const ASKED_AGAIN: &[Answer] = &[
    // A signal came while the kernel checked the program.
    Answer::to(
        "BPF_PROG_LOAD",
        libc::EAGAIN,
        &[
            "probe_an_object",
            "probe_a_tracepoint",
            "probe_by_the_kernels_types",
            "probe_by_a_map",
        ],
    ),
];

/// What is refused without an error number, after a look into the reason.
const LOOKED_INTO: &[&str] = &["from_a_directory"];

/// Sets of links.
const SETS: &[&str] = &["set_created", "set_refused", "set_renamed", "set_upgraded"];
/// What attaches a link where none is known to be.
const TRIED_AGAIN: &[&str] = &[
    "ensure_created",
    "ensure_replaced",
    "ensure_in_the_place_of_another",
];

/// What looks for a pin before it does something about it.
const PINNED: &[&str] = &[
    "move_a_pin",
    "move_a_pin_that_has_gone",
    "move_a_pin_that_is_another",
    "pin_where_it_is",
    "pin_over_another",
    "pin_over_another_by_a_move",
    "unpin",
    "typed_detach_and_unpin",
    "ensure_created",
    "ensure_kept",
    "ensure_updated",
    "ensure_replaced",
    "ensure_replaced_with_a_gap",
    "ensure_in_the_place_of_another",
    "ensure_where_another_is",
    "ensure_taken_over",
    "set_created",
    "set_refused",
    "set_renamed",
    "set_upgraded",
    LIFECYCLE,
];
/// What has a new program take the place of one that runs.
const OVER_ANOTHER: &[&str] = &[
    "ensure_updated",
    "ensure_replaced_with_a_gap",
    "ensure_taken_over",
    "set_renamed",
    "set_upgraded",
];
/// What attaches where a link of its own may be.
const ON_A_HOOK: &[&str] = &[
    "ensure_kept",
    "ensure_updated",
    "ensure_replaced_with_a_gap",
    "ensure_taken_over",
    "set_created",
    "set_renamed",
    "set_upgraded",
];
const WALKS: &[&str] = &[
    "walk_of_ids",
    "walk_of_links",
    "ensure_taken_over",
    LIFECYCLE_FIND,
];

impl Answer {
    const fn everywhere(call: &'static str, errno: i32) -> Self {
        Self::to(call, errno, &[])
    }

    const fn to(call: &'static str, errno: i32, operations: &'static [&'static str]) -> Self {
        let errno = Some(errno);
        Self {
            call,
            errno,
            operations,
        }
    }

    /// Whatever the answer is, as nothing hangs on it.
    const fn ignored(call: &'static str, operations: &'static [&'static str]) -> Self {
        Self {
            call,
            errno: None,
            operations,
        }
    }

    /// Whether a fault in this call, as it was logged, is such an answer to the operation.
    pub(crate) fn is_one(operation: &str, call: &str, errno: i32) -> bool {
        Self::is_among(ANSWERS, operation, call, errno)
    }

    pub(crate) fn is_among(answers: &[Self], operation: &str, call: &str, errno: i32) -> bool {
        let operation = operation.strip_suffix("_by_name").unwrap_or(operation);
        answers.iter().any(|answer| {
            answer.errno.is_none_or(|expected| expected == errno)
                && call.contains(answer.call)
                && (answer.operations.is_empty() || answer.operations.contains(&operation))
        })
    }
}
