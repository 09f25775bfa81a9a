use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    ALICE,
    client::Client::Skopeo,
    image::Image,
    layout::Layout,
    program::Program,
    sandbox::Sandbox,
    server::{Server, at_registry},
    snapshot::Snapshot,
    volume::is_uploading,
};

/// How often the server ends while it takes bytes, by turns with and without warning.
const ENDS: usize = 6;
const BOUND: Duration = Duration::from_mins(2);

#[test]
fn what_was_acknowledged_survives_every_end_of_the_server() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let (over, failures) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acknowledged = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for pusher in ["left", "right"] {
            let (sandbox, over, failures, acknowledged) = (&sandbox, &over, &failures, &acknowledged);
            scope.spawn(move || push_until(sandbox, pusher, over, failures, acknowledged));
        }
        // A panic here must end the pushers too, or the scope waits for them for ever.
        let _over = SetOnDrop(&over);
        for end in 0..ENDS {
            wait_until(|| is_uploading(&sandbox));
            if end % 2 == 0 {
                server.kill();
            } else {
                assert!(server.stop().success());
            }
            server = Server::start(&sandbox, Program::Entrepot);
        }
    });
    assert!(failures.into_inner() > 0, "no push was ever interrupted");
    // Everything that is served was read whole and hashes to its digest.
    let seen = Snapshot::take(&sandbox).tags;
    let tags: BTreeMap<String, String> = seen.into_values().flatten().collect();
    assert_eq!(tags, acknowledged.into_inner().unwrap());
}

/// Pushes image after image, each until it is there, until `over`; the last one too.
fn push_until(
    sandbox: &Sandbox,
    pusher: &str,
    over: &AtomicBool,
    failures: &AtomicUsize,
    acknowledged: &Mutex<BTreeMap<String, String>>,
) {
    for number in 0.. {
        if over.load(SeqCst) {
            return;
        }
        let tag = format!("{pusher}-{number}");
        let image = Image::large(&tag, 8);
        let layout = Layout::write(sandbox, &tag, &image);
        let there = format!("docker://{}", at_registry(&format!("crash/{pusher}:{tag}")));
        let start = Instant::now();
        while !Skopeo.run(sandbox, &["copy", &layout.reference(), &there]).status.success() {
            failures.fetch_add(1, SeqCst);
            assert!(start.elapsed() < BOUND, "{tag} never arrives");
        }
        acknowledged.lock().unwrap().insert(tag, image.top.digest());
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "nothing is being uploaded");
        thread::sleep(Duration::from_millis(2));
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
