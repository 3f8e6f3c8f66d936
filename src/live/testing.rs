//! A local HTTP server for tests: it answers what it is told and remembers what it was asked.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(super) struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request with a text; the connection closes after each.
    pub async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
        Server::start(Some(Arc::new(answer))).await
    }
    /// Accepts connections and says nothing.
    pub async fn silent() -> Server {
        Server::start(None).await
    }
    /// What it was asked, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn start(answer: Option<Arc<dyn Fn(&str) -> String + Send + Sync>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remember = asked.clone();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let Some(answer) = answer.clone() else {
                    open.push(socket);
                    continue;
                };
                let remember = remember.clone();
                tokio::spawn(async move {
                    let request = read_request(&mut socket).await;
                    let text = answer(&request);
                    remember.lock().unwrap().push(request);
                    let closing = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                    let _ = socket.write_all(closing.as_bytes()).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Server { url, asked, task }
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0u8; 4096]);
    loop {
        let n = socket.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        let length = |head: &str| {
            let line = head
                .lines()
                .find_map(|l| l.to_lowercase().strip_prefix("content-length:").map(|v| v.trim().to_owned()));
            line.and_then(|v| v.parse::<usize>().ok()).unwrap_or(0)
        };
        if n == 0 || text.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= length(head)) {
            return text;
        }
    }
}

/// A 200 with a JSON body.
pub(super) fn ok(body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An error with a Status.
pub(super) fn status(code: u16, message: &str) -> String {
    let body = crate::session::answer::testing::failure(code, message);
    ok(&body).replacen("200 OK", &format!("{code} Error"), 1)
}
