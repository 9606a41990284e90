//! The server's process and the JSON lines that are exchanged with it on its standard streams.
//!
//! Requests carry an `id`, which their answer repeats; a line without one is news. Any program that
//! speaks this can be measured, see README.md.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::Fallible;
use crate::system;

pub struct Server {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    unread: Vec<u8>,
    requests: u64,
}

impl Server {
    pub fn start(command: &[String], processor: Option<usize>) -> Fallible<Server> {
        let (program, arguments) = command.split_first().ok_or("no server command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        system::pin_child(&mut command, processor);
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = (input.ok_or("no pipe")?, output.ok_or("no pipe")?);
        system::set_nonblocking(output.as_fd());
        Ok(Server { child, input, output, unread: Vec::new(), requests: 0 })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Returns the request's id.
    pub fn request(&mut self, mut message: Value) -> Fallible<u64> {
        self.requests += 1;
        message["id"] = json!(self.requests);
        self.input.write_all(format!("{message}\n").as_bytes())?;
        Ok(self.requests)
    }

    /// The lines that have arrived.
    pub fn read(&mut self, messages: &mut Vec<Value>) -> Fallible<()> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.output.read(&mut chunk) {
                Ok(0) => return Err(format!("the server ended: {}", self.child.wait()?).into()),
                Ok(len) => self.unread.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            messages.push(serde_json::from_slice(&line)?);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
