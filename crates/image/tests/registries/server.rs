//! A server whose answers the test writes, also wrong ones.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The first byte that a `Range` asks for.
    pub(crate) fn start(&self) -> usize {
        self.header("range")
            .strip_prefix("bytes=")
            .and_then(|r| r.strip_suffix('-'))
            .map_or(0, |n| n.parse().unwrap())
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Another length than the body's.
    pub(crate) length: Option<u64>,
    /// The connection ends after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// After so many bytes of the body nothing comes any more.
    pub(crate) stall: Option<usize>,
    /// After so many bytes of the body one comes at a time, for ever.
    pub(crate) drip: Option<usize>,
}

impl Says {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// A part of a blob, as far as it was asked for.
    pub(crate) fn blob(asked: &Asked, bytes: &[u8]) -> Self {
        let start = asked.start();
        if start == 0 {
            return Self::new(200).body(bytes);
        }
        let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
        Self::new(206).header("Content-Range", range).body(&bytes[start..])
    }

    pub(crate) fn document(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(200).header("Content-Type", media_type).body(bytes)
    }
}

/// A server that ends with this value.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Bytes of bodies that were sent.
    pub(crate) sent: Arc<AtomicU64>,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            sent: Arc::default(),
            asked: Arc::default(),
            ended: Arc::default(),
        };
        let (sent, asked, ended) = (server.sent.clone(), server.asked.clone(), server.ended.clone());
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (sent, asked, answer, ended) =
                    (sent.clone(), asked.clone(), answer.clone(), ended.clone());
                std::thread::spawn(move || serve(&stream.unwrap(), &*answer, &sent, &asked, &ended));
            }
        });
        server
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host())
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many requests had this in their "METHOD path".
    pub(crate) fn count(&self, part: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| format!("{} {}", asked.method, asked.path).contains(part)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the one that waits for connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    stream: &TcpStream,
    answer: &(dyn Fn(&Asked) -> Says + Send + Sync),
    sent: &AtomicU64,
    all: &Mutex<Vec<Asked>>,
    ended: &AtomicBool,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(asked) = read(&mut reader) else {
            // What is no HTTP, such as a TLS handshake, gets what Go's servers say.
            let _ = (&mut &*stream).write_all(
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n",
            );
            let _ = stream.shutdown(Shutdown::Both);
            return;
        };
        all.lock().unwrap().push(asked.clone());
        let says = answer(&asked);
        if write(stream, &asked, &says, sent).is_err() || says.cut.is_some() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        if says.stall.is_some() {
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = Vec::new();
    // A TLS handshake has no lines.
    reader.by_ref().take(8192).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

fn write(stream: &TcpStream, asked: &Asked, says: &Says, sent: &AtomicU64) -> std::io::Result<()> {
    let mut stream = stream;
    let length = says.length.unwrap_or(says.body.len() as u64);
    let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\n", says.status);
    for (name, value) in &says.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    let end = says.cut.or(says.stall).or(says.drip).unwrap_or(usize::MAX).min(says.body.len());
    for part in says.body[..end].chunks(64 << 10) {
        stream.write_all(part)?;
        sent.fetch_add(part.len() as u64, Ordering::Relaxed);
    }
    for byte in says.body[end..].chunks(1).take_while(|_| says.drip.is_some()) {
        stream.write_all(byte)?;
        sent.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.flush()
}
