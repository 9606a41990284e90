//! The command line.

use crate::Fallible;
use crate::peer::Profile;
use crate::system;

#[derive(Debug)]
pub struct Arguments {
    pub subscribers: usize,
    pub seconds: u64,
    pub profile: Profile,
    /// Media worker threads of the server.
    pub workers: usize,
    pub joins_at_once: usize,
    pub server_core: Option<usize>,
    pub generator_core: Option<usize>,
    pub json: bool,
    pub commit: String,
    /// Program and arguments.
    pub server: Vec<String>,
}

pub const USAGE: &str = "\
usage: npm run bench -- one2many [options]

  --subscribers N     viewers, each with a connection of its own (default 20)
  --seconds N         length of the measured window (default 10)
  --srtp gcm|cm       the SRTP profile that the clients offer (default gcm)
  --workers N         the server's media worker threads (default 1)
  --joins-at-once N   viewers that may be connecting at the same time (default 1)
  --cores S,G         processors of server and generator (default: the first two); `any` for none
  --json              one JSON object instead of the table
  --no-build          take the addon and the generator as they are
";

impl Arguments {
    /// Everything after `--server` is the command of the server.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Fallible<Arguments> {
        match words.next().as_deref() {
            Some("one2many") => {}
            Some("--help") => return Err(USAGE.into()),
            other => return Err(format!("unknown workload {other:?}\n\n{USAGE}").into()),
        }
        let (server_core, generator_core) = default_cores();
        let mut arguments = Arguments {
            subscribers: 20,
            seconds: 10,
            profile: Profile::Gcm,
            workers: 1,
            joins_at_once: 1,
            server_core,
            generator_core,
            json: false,
            commit: "unknown".into(),
            server: Vec::new(),
        };
        while let Some(name) = words.next() {
            let mut value = || words.next().ok_or(format!("{name} wants a value\n\n{USAGE}"));
            match name.as_str() {
                "--subscribers" => arguments.subscribers = positive(&name, &value()?)?,
                "--seconds" => arguments.seconds = positive(&name, &value()?)? as u64,
                "--workers" => arguments.workers = positive(&name, &value()?)?,
                "--joins-at-once" => arguments.joins_at_once = positive(&name, &value()?)?,
                "--srtp" => arguments.profile = profile(&value()?)?,
                "--cores" => {
                    (arguments.server_core, arguments.generator_core) = cores(&value()?)?;
                }
                "--commit" => arguments.commit = value()?,
                "--json" => arguments.json = true,
                "--server" => arguments.server = words.by_ref().collect(),
                "--help" => return Err(USAGE.into()),
                _ => return Err(format!("unknown option {name}\n\n{USAGE}").into()),
            }
        }
        if arguments.server.is_empty() {
            return Err("--server is missing".into());
        }
        Ok(arguments)
    }
}

/// A core each, where there are two.
fn default_cores() -> (Option<usize>, Option<usize>) {
    match system::processors()[..] {
        [server, generator, ..] => (Some(server), Some(generator)),
        _ => (None, None),
    }
}

fn cores(value: &str) -> Fallible<(Option<usize>, Option<usize>)> {
    if value == "any" {
        return Ok((None, None));
    }
    let (server, generator) = value.split_once(',').ok_or("--cores wants two numbers")?;
    Ok((Some(server.parse()?), Some(generator.parse()?)))
}

fn positive(name: &str, value: &str) -> Fallible<usize> {
    match value.parse() {
        Ok(number) if (1..=100_000).contains(&number) => Ok(number),
        _ => Err(format!("{name} wants a number from 1 to 100000, not {value}").into()),
    }
}

fn profile(value: &str) -> Fallible<Profile> {
    match value {
        "gcm" => Ok(Profile::Gcm),
        "cm" => Ok(Profile::Cm),
        _ => Err(format!("--srtp is gcm or cm, not {value}").into()),
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn parse(line: &str) -> Fallible<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_servers_command_ends_the_line() {
        let arguments =
            parse("one2many --srtp cm --cores 2,3 --server node server.js --workers 2").unwrap();
        assert_eq!(arguments.server, ["node", "server.js", "--workers", "2"]);
        assert_eq!((arguments.server_core, arguments.profile), (Some(2), Profile::Cm));
    }

    #[test]
    fn mistakes_are_named() {
        for line in ["", "rooms", "one2many --subscribers 0", "one2many --srtp aes", "one2many"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
