//! A store's files over HTTP, as a bucket hands them out at signed addresses.

use anyhow::Result;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Serves a directory to this machine until the process ends; its address.
pub fn serve(root: &Path) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, root) = (listener.local_addr()?, root.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &root);
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(mut stream: TcpStream, root: &Path) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The rest of the head is read, or the answer is cut off.
    while lines.next().transpose()?.is_some_and(|l| !l.is_empty()) {}
    let path: PathBuf =
        first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').split('/').filter(|p| *p != "..").collect();
    let (status, body) = match std::fs::read(root.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    Ok(())
}
