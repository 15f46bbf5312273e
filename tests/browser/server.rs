//! A static server for the built page: it writes down what it is asked, can be
//! stopped as if the network had gone, and can lay out another build.
//!
//! Hand-written on `std`, because a stopped server must also close the
//! connections that the browser keeps, which the small servers do not offer.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What the serving thread shares with the test.
struct Shared {
    /// The folder that is laid out.
    folder: Mutex<PathBuf>,
    /// Path under which it lies: `/` or `/some/path/`.
    base: String,
    /// Headers of every answer besides the usual ones, each with its line's end.
    headers: &'static str,
    /// Paths asked for, in order.
    log: Mutex<Vec<String>>,
    running: AtomicBool,
}

/// A server on this machine, for the time of a test.
pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Lays out `folder` under `base`, which begins and ends with a slash.
    pub(crate) fn start(folder: &Path, base: &str) -> Self {
        Self::with_headers(folder, base, "")
    }

    /// Lays out `folder` for a page that is isolated from all others, as a browser
    /// wants it before it tells how much memory the page takes.
    pub(crate) fn start_isolated(folder: &Path) -> Self {
        let headers =
            "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Embedder-Policy: require-corp\r\n";
        Self::with_headers(folder, "/", headers)
    }

    fn with_headers(folder: &Path, base: &str, headers: &'static str) -> Self {
        let shared = Arc::new(Shared {
            folder: Mutex::new(folder.to_path_buf()),
            base: base.to_owned(),
            headers,
            log: Mutex::default(),
            running: AtomicBool::new(false),
        });
        let mut server = Self { shared, address: SocketAddr::from(([127, 0, 0, 1], 0)), thread: None };
        server.resume();
        server
    }

    /// The page's address.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin(), self.shared.base)
    }

    /// The page's origin.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Paths that were asked for so far, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Lays out another folder from now on.
    pub(crate) fn lay_out(&self, folder: &Path) {
        *self.shared.folder.lock().unwrap() = folder.to_path_buf();
    }

    /// From now on nobody answers at this address.
    pub(crate) fn stop(&mut self) {
        self.shared.running.store(false, Ordering::SeqCst);
        // The thread waits for a visitor.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Answers again, at the same address.
    pub(crate) fn resume(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.address = listener.local_addr().unwrap();
        self.shared.running.store(true, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.thread = Some(thread::spawn(move || {
            for visitor in listener.incoming() {
                if !shared.running.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A visitor that hangs up is its own affair.
                thread::spawn(move || visitor.and_then(|stream| answer(&shared, stream)));
            }
        }));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Answers one request and closes the connection.
fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(request) = lines.next().transpose()? else { return Ok(()) };
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}

    let path = request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/");
    shared.log.lock().unwrap().push(path.to_owned());
    let file = file_of(shared, path);
    let (status, kind, body) = match file.and_then(|file| Some((content_type(&file), fs::read(&file).ok()?)))
    {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain", b"not found".to_vec()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\nConnection: close\r\n{}\r\n",
        body.len(),
        shared.headers,
    )?;
    stream.write_all(&body)
}

/// The file that a path names, within the folder.
fn file_of(shared: &Shared, path: &str) -> Option<PathBuf> {
    let relative = path.strip_prefix(&shared.base)?;
    let relative = Path::new(if relative.is_empty() { "index.html" } else { relative });
    let inside = relative.components().all(|component| matches!(component, Component::Normal(_)));
    inside.then(|| shared.folder.lock().unwrap().join(relative))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
