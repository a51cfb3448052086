//! What the streams of the repository say, and what the reader says to a file that is wrong.

use super::*;

const STREAMS: &str = include_str!("../../../../../knowledge/streams.toml");

fn streams() -> Streams {
    Streams::from_toml(STREAMS).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn the_file_of_the_repository_has_no_problem() {
    streams();
}
