//! Load generator: plays publishers and viewers against a server and measures what it costs.
//!
//! The far ends are built on the `rtc` crates and share no code with the engine. The server is
//! another process on another core; see README.md for the words exchanged with it.

// Clocks and sockets are this program's business; the engine's rule is not for it.
#![allow(clippy::disallowed_methods)]

mod arguments;
mod measurement;
mod media;
mod one_to_many;
mod peer;
mod process;
mod report;
mod sdp;
mod session;
mod signalling;
mod subscriber;
mod system;

use std::process::ExitCode;

use arguments::Arguments;
use session::Session;
use signalling::Server;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if let Some(core) = arguments.generator_core {
        system::pin_to(core)?;
    }
    let mut command = arguments.server.clone();
    command.extend(["--workers".to_owned(), arguments.workers.to_string()]);
    let session = Session::new(Server::start(&command, arguments.server_core)?)?;
    let report = one_to_many::run(&arguments, session)?;
    match arguments.json {
        true => println!("{}", report.json(&arguments)),
        false => print!("{}", report.table(&arguments)),
    }
    Ok(())
}
