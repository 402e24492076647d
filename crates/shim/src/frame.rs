//! What a client and a shim say to each other: one message per packet of a SOCK_SEQPACKET socket.
//!
//! A packet is a byte that names the message, and its content. The two ends may be different versions of this program
//! (an upgrade leaves shims running), so a number is never used twice; a reader refuses what it does not know.

use cofferdam_kernel::signal::Signal;

use crate::ExitStatus;

/// The most bytes of a stream in one packet: small enough for any socket buffer.
pub const MAX_DATA: usize = 16 * 1024;
/// The most bytes of a packet.
pub const MAX_PACKET: usize = MAX_DATA + 64;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Client: send me these streams, and (with `stdin`) take mine.
    Attach {
        /// The client sends input.
        stdin: bool,
        /// The client wants output.
        stdout: bool,
        /// The client wants errors.
        stderr: bool,
    },
    /// Client: input.
    Stdin(&'a [u8]),
    /// Client: the end of its input.
    StdinEnd,
    /// Client: its terminal has this size.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Client: send this signal to the first process.
    Signal(Signal),
    /// Client: send the signal (or the container's own), then SIGKILL after so many seconds (negative: never).
    Stop {
        /// The first signal.
        signal: Option<Signal>,
        /// Seconds; absent for the container's own.
        timeout: Option<i32>,
    },
    /// Client: freeze all processes.
    Pause,
    /// Client: let them go on.
    Unpause,
    /// Client: tell me the next end.
    Wait,
    /// Client: the restart policy from now on.
    Restart(&'a str),
    /// Client: the container's name from now on.
    Rename(&'a str),
    /// Client: whatever `--rm` said, the next end does not remove the container.
    Keep,
    /// Client: I leave; my input has not ended.
    Detach,
    /// Shim: the program runs.
    Started {
        /// As the host numbers it.
        pid: i32,
    },
    /// Shim: what was asked for failed: the class of exit code, and the messages from the outermost inwards.
    Failed {
        /// 125, 126 or 127.
        class: u8,
        /// Lines.
        messages: &'a str,
    },
    /// Shim: what was asked for is done.
    Done,
    /// Shim: output.
    Stdout(&'a [u8]),
    /// Shim: errors.
    Stderr(&'a [u8]),
    /// Shim: the process ended, and what its policy or `--rm` asked for is done.
    Exited(ExitStatus),
}

const NONE: i32 = i32::MIN;

impl<'a> Frame<'a> {
    /// Puts the packet into `out`, whose old content goes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let signal_number = |signal: Option<Signal>| signal.map_or(0, Signal::number);
        match *self {
            Self::Attach { stdin, stdout, stderr } => {
                out.extend([1, u8::from(stdin) | u8::from(stdout) << 1 | u8::from(stderr) << 2]);
            }
            Self::Stdin(bytes) => with(out, 2, bytes),
            Self::StdinEnd => out.push(3),
            Self::Resize { rows, columns } => {
                with(out, 4, &rows.to_le_bytes());
                out.extend(columns.to_le_bytes());
            }
            Self::Signal(signal) => with(out, 5, &signal.number().to_le_bytes()),
            Self::Stop { signal, timeout } => {
                with(out, 6, &signal_number(signal).to_le_bytes());
                out.extend(timeout.unwrap_or(NONE).to_le_bytes());
            }
            Self::Pause => out.push(7),
            Self::Unpause => out.push(8),
            Self::Wait => out.push(9),
            Self::Restart(policy) => with(out, 10, policy.as_bytes()),
            Self::Detach => out.push(11),
            Self::Keep => out.push(12),
            Self::Rename(name) => with(out, 13, name.as_bytes()),
            Self::Started { pid } => with(out, 32, &pid.to_le_bytes()),
            Self::Failed { class, messages } => {
                out.extend([33, class]);
                out.extend(cut(messages).as_bytes());
            }
            Self::Done => out.push(34),
            Self::Stdout(bytes) => with(out, 35, bytes),
            Self::Stderr(bytes) => with(out, 36, bytes),
            Self::Exited(status) => {
                out.extend([37, status.code, u8::from(status.oom_killed)]);
                out.extend(signal_number(status.signal).to_le_bytes());
            }
        }
    }

    /// Reads a packet; none if it is not one of ours.
    #[must_use]
    pub fn decode(packet: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = packet.split_first()?;
        let empty = |frame: Self| rest.is_empty().then_some(frame);
        match kind {
            1 => match rest {
                [bits] if *bits < 8 => {
                    Some(Self::Attach { stdin: bits & 1 != 0, stdout: bits & 2 != 0, stderr: bits & 4 != 0 })
                }
                _ => None,
            },
            2 => Some(Self::Stdin(rest)),
            3 => empty(Self::StdinEnd),
            4 => match *rest {
                [a, b, c, d] => Some(Self::Resize {
                    rows: u16::from_le_bytes([a, b]),
                    columns: u16::from_le_bytes([c, d]),
                }),
                _ => None,
            },
            5 => Signal::from_number(int(rest)?).map(Self::Signal),
            6 => {
                let (signal, timeout) = (int(rest.get(..4)?)?, int(rest.get(4..)?)?);
                let signal = if signal == 0 { None } else { Some(Signal::from_number(signal)?) };
                Some(Self::Stop { signal, timeout: (timeout != NONE).then_some(timeout) })
            }
            7 => empty(Self::Pause),
            8 => empty(Self::Unpause),
            9 => empty(Self::Wait),
            10 => std::str::from_utf8(rest).ok().map(Self::Restart),
            11 => empty(Self::Detach),
            12 => empty(Self::Keep),
            13 => std::str::from_utf8(rest).ok().map(Self::Rename),
            32 => Some(Self::Started { pid: int(rest)? }),
            33 => {
                let (&class, messages) = rest.split_first()?;
                Some(Self::Failed { class, messages: std::str::from_utf8(messages).ok()? })
            }
            34 => empty(Self::Done),
            35 => Some(Self::Stdout(rest)),
            36 => Some(Self::Stderr(rest)),
            37 => {
                let (&[code, oom], signal) = rest.split_first_chunk::<2>()?;
                let signal = int(signal)?;
                let signal = if signal == 0 { None } else { Some(Signal::from_number(signal)?) };
                Some(Self::Exited(ExitStatus { code, signal, oom_killed: oom != 0 }))
            }
            _ => None,
        }
    }
}

fn with(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    out.extend(content);
}

fn int(bytes: &[u8]) -> Option<i32> {
    bytes.try_into().ok().map(i32::from_le_bytes)
}

/// A text that fits into a packet.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_DATA);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_message_reads_back_as_written() {
        let term = Some(Signal::TERM);
        let frames = [
            Frame::Attach { stdin: true, stdout: false, stderr: true },
            Frame::Stdin(b"in"),
            Frame::StdinEnd,
            Frame::Resize { rows: 24, columns: 300 },
            Frame::Signal(Signal::HUP),
            Frame::Stop { signal: term, timeout: Some(-1) },
            Frame::Stop { signal: None, timeout: None },
            Frame::Pause,
            Frame::Unpause,
            Frame::Wait,
            Frame::Restart("on-failure:3"),
            Frame::Detach,
            Frame::Keep,
            Frame::Rename("web"),
            Frame::Started { pid: 70_000 },
            Frame::Failed { class: 127, messages: "exec x\nnot found" },
            Frame::Done,
            Frame::Stdout(b""),
            Frame::Stderr(b"\xff"),
            Frame::Exited(ExitStatus { code: 137, signal: Some(Signal::KILL), oom_killed: true }),
            Frame::Exited(ExitStatus::default()),
        ];
        let mut packet = Vec::new();
        for frame in frames {
            frame.encode(&mut packet);
            assert_eq!(Frame::decode(&packet), Some(frame.clone()), "{frame:?}");
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let long = "ä".repeat(MAX_DATA);
        let mut packet = Vec::new();
        Frame::Failed { class: 125, messages: &long }.encode(&mut packet);
        assert!(packet.len() <= MAX_PACKET);
        assert!(Frame::decode(&packet).is_some());
    }

    proptest! {
        #[test]
        fn no_packet_panics(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Frame::decode(&packet);
        }
    }
}
