// An origin for the examples in the documentation, which include this file.

/// Starts an origin on loopback that gives these answers, one for each request, and closes the
/// connection behind one that is not whole or says so. Returns its URL.
pub fn origin(answers: &'static [&'static str]) -> String {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        while answers.len() > 0 {
            let mut stream = listener.accept().unwrap().0;
            let mut request = Vec::new();
            let mut byte = [0];
            while stream.read(&mut byte).is_ok_and(|count| count > 0) {
                request.push(byte[0]);
                let text = String::from_utf8_lossy(&request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                if length.map_or(0, |length| length.parse().unwrap()) > body.len() {
                    continue;
                }
                let answer = answers.next().copied().unwrap_or_default();
                stream.write_all(answer.as_bytes()).unwrap();
                if answer.contains("Connection: close") || answers.len() == 0 {
                    break;
                }
                request.clear();
            }
        }
    });
    url
}
