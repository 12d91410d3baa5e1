//! The walls around the client of NATS JetStream: one file names the crate, and one folder its
//! runtime.

use std::path::Path;

use crate::code::words_of;
use crate::{hold, read, sources};

/// The file that may name `async_nats`.
const CLIENT: &str = "src/net/engine/nats.rs";

/// The folder that may name the runtime.
const FOLDER: &str = "src/net/engine";

/// Crates that only the folder may name.
const RUNTIME: [&str; 2] = ["futures_util", "tokio"];

/// The deciding file of the folder, which uses nothing of a runtime or a client.
const DECIDING: &str = "src/net/engine/feed_reader.rs";

/// Names of the engine's crates that a file may not use.
fn names_of_the_engine(path: &Path, source: &str) -> Vec<String> {
    let is_client = path == Path::new(CLIENT);
    let is_runtime = path.starts_with(FOLDER) && path != Path::new(DECIDING);
    let is_forbidden = |word: &String| {
        word == "async_nats" && !is_client || RUNTIME.contains(&&**word) && !is_runtime
    };
    let words = words_of(source).into_iter();
    words.filter(is_forbidden).map(|word| format!("names {word}")).collect()
}

#[test]
fn one_file_names_the_client_of_nats_and_one_folder_its_runtime() {
    hold(sources("src"), names_of_the_engine);
    assert_ne!(names_of_the_engine(Path::new("src/lib.rs"), &read(CLIENT)), [""; 0]);
}

#[test]
fn an_import_behind_the_wall_is_seen() {
    let offences = |path: &str, source: &str| names_of_the_engine(Path::new(path), source).len();
    let (client, runtime) = ("use async_nats::Client;", "use tokio::time::sleep;");
    for (path, of_client, of_runtime) in [
        (CLIENT, 0, 0),
        ("src/net/engine/driver.rs", 1, 0),
        (DECIDING, 1, 1),
        ("src/net/worker.rs", 1, 1),
        ("src/coordinator/server.rs", 1, 1),
    ] {
        assert_eq!(offences(path, client), of_client, "{path}");
        assert_eq!(offences(path, runtime), of_runtime, "{path}");
        assert_eq!(offences(path, "use futures_util::StreamExt as _;"), of_runtime, "{path}");
        assert_eq!(offences(path, "// async_nats and tokio\n"), 0, "{path}");
    }
}
