//! The filters that a traced process was seen installing, without reading its memory: nobody but root may read that of a
//! process that has just changed its user.
//!
//! The process sends the very bytes that it then hands to seccomp(2) over its channel, from the same address and with no call
//! in between. The tracer sees both calls, and holds the other end of the channel: what arrives while the process stands at
//! the exit of its sendto(2) is what was at that address.

use std::io;

use cofferdam_kernel::ptrace::{Call, Tracee};
use cofferdam_kernel::seccomp::FilterImage;

use crate::channel::Channel;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Witness {
    state: State,
    /// Accepted by the kernel, oldest first: the bytes of their instructions.
    installed: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    /// In the call that sends so many bytes from this address.
    Showing { address: u64, length: u64 },
    /// These instructions are at the address, and no call has been made since.
    Shown { address: u64, instructions: Vec<u8> },
    /// In the call that installs them.
    Installing(Vec<u8>),
}

impl Witness {
    /// Looks at the call that the process stands at.
    pub(super) fn look(&mut self, tracee: &Tracee, channel: &Channel) -> io::Result<()> {
        let state = std::mem::take(&mut self.state);
        self.state = match (tracee.call()?, state) {
            (Call::Entry { number, args }, before) => entered(number, args, before)?,
            (Call::Exit { result }, State::Showing { address, length })
                if u64::try_from(result) == Ok(length) =>
            {
                let bytes = channel.receive_shown()?;
                let instructions = FilterImage::instructions_at(&bytes, address)
                    .filter(|_| u64::try_from(bytes.len()) == Ok(length))
                    .ok_or_else(|| io::Error::other("init showed something that is no filter"))?;
                State::Shown { address, instructions: instructions.to_vec() }
            }
            (Call::Exit { result }, State::Installing(instructions)) => {
                if result >= 0 {
                    self.installed.push(instructions);
                }
                State::Nothing
            }
            (Call::Exit { .. }, _) => State::Nothing,
        };
        Ok(())
    }

    pub(super) fn into_installed(self) -> Vec<Vec<u8>> {
        self.installed
    }
}

/// What the entry of a call means after what was seen before it.
fn entered(number: u64, args: [u64; 6], before: State) -> io::Result<State> {
    let is = |call| i64::try_from(number) == Ok(call);
    let [first, second, third, ..] = args;
    if is(libc::SYS_sendto) {
        return Ok(State::Showing { address: second, length: third });
    }
    if !is(libc::SYS_seccomp) || first != u64::from(libc::SECCOMP_SET_MODE_FILTER) {
        return Ok(State::Nothing);
    }
    match before {
        State::Shown { address, instructions } if address == third => Ok(State::Installing(instructions)),
        _ => Err(io::Error::other("init installs a filter that it has not shown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECCOMP: u64 = libc::SYS_seccomp.unsigned_abs();

    fn shown() -> State {
        State::Shown { address: 0x1000, instructions: vec![7; 8] }
    }

    #[test]
    fn only_what_was_shown_last_and_from_there_is_believed() {
        let after = |state, args| entered(SECCOMP, args, state);
        assert!(matches!(after(shown(), [1, 0, 0x1000, 0, 0, 0]).unwrap(), State::Installing(_)));
        assert!(after(shown(), [1, 0, 0x1008, 0, 0, 0]).is_err());
        assert!(after(State::Nothing, [1, 0, 0x1000, 0, 0, 0]).is_err());
        // A question about an action installs nothing, and any call in between ends the belief.
        assert!(matches!(after(shown(), [2, 0, 0x1000, 0, 0, 0]).unwrap(), State::Nothing));
        assert!(matches!(entered(1, [1, 0, 0x1000, 0, 0, 0], shown()).unwrap(), State::Nothing));
    }
}
