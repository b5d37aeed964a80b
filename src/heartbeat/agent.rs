//! HAProxy's agent-check: one line of words that a node's agent answers with.
//!
//! | words | mean |
//! |---|---|
//! | `up` | it serves |
//! | `down`, `fail`, `stopped` | it does not, until the agent says `up` |
//! | `ready` | the end of `drain` and `maint` |
//! | `drain`, `maint` | no new sessions; nobody |
//! | `75%`, `weight:75%`, `weight:75` | the weight, of the configured one or as it stands |
//! | `maxconn:30` | requests at once; 0 for no limit |
//! | `# text` | for people, to the end of the line |
//!
//! Spaces, tabs and commas separate words, case does not matter, and the last word of a kind wins. What is
//! not said stays as it is, and a word that cannot be understood changes nothing.

use super::{Announced, Heartbeat, ReportedHealth, ReportedLimit, Room, Weight};
use std::num::NonZeroU32;

/// The longest line.
pub const LONGEST: usize = 1024;

/// What an agent has sent so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentReply {
    /// No whole line yet. If the agent ends here, it has said nothing.
    Incomplete,
    /// More than a line can have: it has said nothing.
    TooLong,
    /// A line. What follows it does not count.
    Said(Box<Heartbeat>),
}

/// Reads what has arrived.
pub fn read(received: &[u8]) -> AgentReply {
    let line = &received[..received.len().min(LONGEST)];
    // A zero byte ends the text for HAProxy, so that no line end can follow it.
    match memchr::memchr3(b'\r', b'\n', 0, line) {
        Some(end) if line[end] != 0 => {
            AgentReply::Said(Box::new(read_line(&String::from_utf8_lossy(&line[..end]))))
        }
        None if line.len() == LONGEST => AgentReply::TooLong,
        _ => AgentReply::Incomplete,
    }
}

fn read_line(line: &str) -> Heartbeat {
    let mut beat = Heartbeat::default();
    let (mut word_of_health, mut text, mut odd) = (None, None, None);
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(is_space);
        if let Some(description) = rest.strip_prefix('#') {
            text = Some(description.trim()).filter(|text| !text.is_empty());
            break;
        }
        let (word, after) = rest.split_at(rest.find(is_space).unwrap_or(rest.len()));
        if word.is_empty() {
            break;
        }
        rest = after;
        let word = word.to_ascii_lowercase();
        match read_word(&word) {
            Ok(AgentWord::Health(health)) => {
                beat.health = Some(health);
                word_of_health = Some(word);
            }
            Ok(AgentWord::State(state)) => beat.state = Some(state),
            Ok(AgentWord::Weight(weight)) => beat.room = Some(Room::Weight(weight)),
            Ok(AgentWord::MaxConn(limit)) => beat.max_requests = Some(limit),
            Err(why) => odd = odd.or_else(|| Some(format!("the agent says `{}`: {why}", printable(&word)))),
        }
    }
    let text = text.map(printable).or(odd);
    beat.note = match (word_of_health, text) {
        (Some(word), Some(text)) => Some(format!("{word} ({text})")),
        (word, text) => word.or(text),
    };
    beat
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

/// Text for a log or a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

enum AgentWord {
    Health(ReportedHealth),
    State(Announced),
    Weight(Weight),
    MaxConn(ReportedLimit),
}

/// What a word means, or what is wrong with it.
fn read_word(word: &str) -> Result<AgentWord, &'static str> {
    match word {
        "up" => Ok(AgentWord::Health(ReportedHealth::Up)),
        "down" | "fail" | "stopped" => Ok(AgentWord::Health(ReportedHealth::Down)),
        "ready" => Ok(AgentWord::State(Announced::Ready)),
        "drain" => Ok(AgentWord::State(Announced::Draining)),
        "maint" => Ok(AgentWord::State(Announced::Maintenance)),
        _ => {
            if let Some(limit) = word.strip_prefix("maxconn:") {
                return match limit.parse() {
                    Ok(limit) => Ok(AgentWord::MaxConn(
                        NonZeroU32::new(limit).map_or(ReportedLimit::None, ReportedLimit::AtMost),
                    )),
                    Err(_) => Err("write a number behind `maxconn:`"),
                };
            }
            let weight = word.strip_prefix("weight:");
            if weight.is_none() && !(word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('%')) {
                return Err("no such word");
            }
            read_weight(weight.unwrap_or(word)).map(AgentWord::Weight)
        }
    }
}

fn read_weight(text: &str) -> Result<Weight, &'static str> {
    match text.strip_suffix('%').map(str::parse::<u64>) {
        // HAProxy's own limit: a weight of 1 may become its greatest, 256.
        Some(Ok(percent)) => Ok(Weight::Relative(percent.min(25_600) as u16)),
        Some(Err(_)) => Err("write the weight as a number and `%`"),
        None => match text.parse() {
            Ok(weight @ 0..=256) => Ok(Weight::Absolute(weight)),
            _ => Err("write a weight from 0 to 256, or a percentage"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(line: &str) -> Heartbeat {
        match read(line.as_bytes()) {
            AgentReply::Said(beat) => *beat,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn relative(percent: u16) -> Option<Room> {
        Some(Room::Weight(Weight::Relative(percent)))
    }

    fn note(text: &str) -> Option<String> {
        Some(text.into())
    }

    #[test]
    fn lines_mean_what_they_mean_to_haproxy() {
        use Announced::{Draining, Maintenance, Ready};
        let none = Heartbeat::default;
        let at_most = |n| Some(ReportedLimit::AtMost(NonZeroU32::new(n).unwrap()));
        for (line, beat) in [
            ("75%\n", Heartbeat { room: relative(75), ..none() }),
            (
                "up 50%,maxconn:30\r\n",
                Heartbeat {
                    health: Some(ReportedHealth::Up),
                    room: relative(50),
                    max_requests: at_most(30),
                    note: note("up"),
                    ..none()
                },
            ),
            ("drain\n", Heartbeat { state: Some(Draining), ..none() }),
            (
                "maint # kernel update\n",
                Heartbeat { state: Some(Maintenance), note: note("kernel update"), ..none() },
            ),
            (
                "down # disk full\n",
                Heartbeat { health: Some(ReportedHealth::Down), note: note("down (disk full)"), ..none() },
            ),
            (
                "ready up 100%\n",
                Heartbeat {
                    state: Some(Ready),
                    health: Some(ReportedHealth::Up),
                    room: relative(100),
                    note: note("up"),
                    ..none()
                },
            ),
            (
                "75%,maxconn:30,maint,down\n",
                Heartbeat {
                    room: relative(75),
                    max_requests: at_most(30),
                    state: Some(Maintenance),
                    health: Some(ReportedHealth::Down),
                    note: note("down"),
                    ..none()
                },
            ),
            ("\t ,UP,\t,\rDOWN", Heartbeat { health: Some(ReportedHealth::Up), note: note("up"), ..none() }),
            (
                "up down fail\n",
                Heartbeat { health: Some(ReportedHealth::Down), note: note("fail"), ..none() },
            ),
            ("Stopped\n", Heartbeat { health: Some(ReportedHealth::Down), note: note("stopped"), ..none() }),
            ("drain ready\n", Heartbeat { state: Some(Ready), ..none() }),
            ("10% 20%\n", Heartbeat { room: relative(20), ..none() }),
            ("weight:20% \n", Heartbeat { room: relative(20), ..none() }),
            ("weight:256\n", Heartbeat { room: Some(Room::Weight(Weight::Absolute(256))), ..none() }),
            ("99999999%\n", Heartbeat { room: relative(25_600), ..none() }),
            ("0%\n", Heartbeat { room: relative(0), ..none() }),
            ("maxconn:0\n", Heartbeat { max_requests: Some(ReportedLimit::None), ..none() }),
            ("#\n", none()),
            ("\n", none()),
            ("# down\n", Heartbeat { note: note("down"), ..none() }),
            (
                "up #a # b, c\n",
                Heartbeat { health: Some(ReportedHealth::Up), note: note("up (a # b, c)"), ..none() },
            ),
            ("# \u{1b}[2J\u{9b}\n", Heartbeat { note: note("\u{fffd}[2J\u{fffd}"), ..none() }),
        ] {
            assert_eq!(said(line), beat, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_understood_changes_nothing_but_is_told() {
        for (line, text) in [
            ("75\n", "the agent says `75`: no such word"),
            ("hello world\n", "the agent says `hello`: no such word"),
            ("-5%\n", "the agent says `-5%`: no such word"),
            ("50%x\n", "the agent says `50%x`: write a weight from 0 to 256, or a percentage"),
            ("5x%\n", "the agent says `5x%`: write the weight as a number and `%`"),
            ("weight:257\n", "the agent says `weight:257`: write a weight from 0 to 256, or a percentage"),
            ("weight:\n", "the agent says `weight:`: write a weight from 0 to 256, or a percentage"),
            ("maxconn:\n", "the agent says `maxconn:`: write a number behind `maxconn:`"),
            ("maxconn:-1\n", "the agent says `maxconn:-1`: write a number behind `maxconn:`"),
        ] {
            assert_eq!(said(line), Heartbeat { note: note(text), ..Heartbeat::default() }, "{line:?}");
        }
        assert_eq!(said("xyz up\n").note, note("up (the agent says `xyz`: no such word)"));
        assert_eq!(said("xyz up # fine\n").note, note("up (fine)"));
    }

    #[test]
    fn only_a_whole_line_counts() {
        for text in ["", "75%", "up 75%", "up\0\n", "\0"] {
            assert_eq!(read(text.as_bytes()), AgentReply::Incomplete, "{text:?}");
        }
        let long = "x".repeat(LONGEST);
        assert_eq!(read(long.as_bytes()), AgentReply::TooLong);
        assert_eq!(read((long.clone() + "\n").as_bytes()), AgentReply::TooLong);
        assert!(matches!(read((long[1..].to_owned() + "\n").as_bytes()), AgentReply::Said(_)));
        assert_eq!(said("up\ndown\n").health, Some(ReportedHealth::Up));
    }

    proptest! {
        #[test]
        fn never_panics(received in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&received);
        }

        #[test]
        fn words_do_not_hinder_each_other(
            mut words in Just(vec!["up", "drain", "75%", "maxconn:3", "xyz"]).prop_shuffle(), separator in "[ \t,]{1,3}",
        ) {
            let all = said(&(words.join(&separator) + "\n"));
            words.sort_unstable();
            prop_assert_eq!(all, said(&(words.join(" ") + "\n")));
        }
    }
}
