//! One question to an HTTP endpoint of this machine: whether it answers with 200. Nothing of the answer is kept.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A status line is short; one that is longer is none.
const MAX_LINE: usize = 256;

/// Asks, and says what came back where it isn't a 200. `deadline` is for all of it.
pub(super) fn get(port: u16, path: &str, deadline: Duration) -> Result<(), String> {
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("`{path}` is no path"));
    }
    let ends = Instant::now() + deadline;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let line = ask(address, path, ends).map_err(|error| format!("http://{address}{path}: {error}"))?;
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(version), Some("200")) if version.starts_with("HTTP/") => Ok(()),
        _ => Err(format!("http://{address}{path} answered `{line}`")),
    }
}

/// The first line of the answer, as much as came.
fn ask(address: SocketAddr, path: &str, ends: Instant) -> std::io::Result<String> {
    // A time of zero would mean to wait for ever.
    let left = || ends.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, left())?;
    stream.set_write_timeout(Some(left()))?;
    // In one piece: whoever has read enough of a question may answer it, and hang up.
    let question = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kernmend\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; MAX_LINE];
    while !answer.contains(&b'\n') && answer.len() < MAX_LINE {
        stream.set_read_timeout(Some(left()))?;
        match stream.read(&mut buffer)? {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
        if ends <= Instant::now() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = &line[..line.len().min(MAX_LINE)];
    Ok(String::from_utf8_lossy(line).trim().escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Serves one answer, and gives the question.
    fn serve(answer: &'static [u8]) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; 1024];
            let length = stream.read(&mut question).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&question[..length]).into_owned()
        });
        (port, server)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_endpoint_is_well_when_it_answers_with_200() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nok"[..], None),
            (b"HTTP/1.0 200\n", None),
            (
                b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
                Some("answered `HTTP/1.1 503 Service Unavailable`"),
            ),
            (b"200 200\r\n", Some("answered `200 200`")),
            (b"\x1b[2J\xff\r\n", Some("answered `\\u{1b}[2J\u{fffd}`")),
            (b"", Some("answered ``")),
        ] {
            let (port, server) = serve(answer);
            let got = get(port, "/healthz", LONG);
            assert!(server.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:"));
            match (got, expected) {
                (Ok(()), None) => {}
                (Err(seen), Some(expected)) => assert!(seen.ends_with(expected), "{seen}"),
                (got, _) => panic!("{got:?}: {answer:?}"),
            }
        }
    }

    #[test]
    fn an_endpoint_that_does_not_answer_fails() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // It is connected to, and nobody takes it.
        assert!(get(port, "/", Duration::from_millis(50)).is_err());
        drop(listener);
        assert!(get(port, "/", LONG).unwrap_err().contains("refused"));
        assert_eq!(get(port, "/ HTTP/1.1\r\nX: y", LONG), Err("`/ HTTP/1.1\r\nX: y` is no path".to_owned()));
    }
}
