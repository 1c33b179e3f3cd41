//! Makes system calls in the place of another process, by tracing it.

use std::ffi::c_void;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// What is passed to a call.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    Number(i64),
    Text(&'static str),
}

/// Has another process stopped; it goes on when this is dropped.
pub struct Intruder {
    process: Pid,
    /// As it was stopped: where a system call returned.
    before: libc::user_regs_struct,
}

impl Intruder {
    #[track_caller]
    pub fn into(process: u32) -> Self {
        let process = Pid::from_raw(process.cast_signed());
        ptrace::attach(process).expect("root may");
        stopped(process, Signal::SIGSTOP);
        // To where it enters its next call, and to where that returns.
        for _ in 0..2 {
            ptrace::syscall(process, None).expect("it is stopped");
            stopped(process, Signal::SIGTRAP);
        }
        let before = ptrace::getregs(process).expect("it is stopped");
        let code = ptrace::read(process, (before.rip - 2) as *mut c_void).expect("it is code");
        assert_eq!(code & 0xffff, 0x050f, "it has just made a system call");
        Self { process, before }
    }

    /// What the call returned to it: an error's number is negative.
    #[track_caller]
    pub fn call(&mut self, number: i64, words: &[Word]) -> i64 {
        // Beyond what the function may have put below its stack's end.
        let mut free = self.before.rsp - 4096;
        let words: Vec<u64> = words
            .iter()
            .map(|word| match word {
                Word::Number(number) => number.cast_unsigned(),
                Word::Text(text) => {
                    let at = free;
                    free += 256;
                    self.write(at, text);
                    at
                }
            })
            .collect();
        let word = |at: usize| words.get(at).copied().unwrap_or(0);
        let registers = libc::user_regs_struct {
            rip: self.before.rip - 2,
            rax: number.cast_unsigned(),
            // No call was interrupted: there is none to begin again.
            orig_rax: u64::MAX,
            rdi: word(0),
            rsi: word(1),
            rdx: word(2),
            r10: word(3),
            r8: word(4),
            r9: word(5),
            ..self.before
        };
        ptrace::setregs(self.process, registers).expect("it is stopped");
        ptrace::step(self.process, None).expect("it is stopped");
        stopped(self.process, Signal::SIGTRAP);
        let after = ptrace::getregs(self.process).expect("it is stopped");
        assert_eq!(after.rip, self.before.rip, "it made the call");
        after.rax.cast_signed()
    }

    fn write(&self, mut at: u64, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let word = libc::c_long::from_ne_bytes(word);
            ptrace::write(self.process, at as *mut c_void, word).expect("it is its stack");
            at += 8;
        }
    }
}

#[track_caller]
fn stopped(process: Pid, by: Signal) {
    let status = waitpid(process, None).expect("it is traced");
    assert_eq!(status, WaitStatus::Stopped(process, by));
}

impl Drop for Intruder {
    fn drop(&mut self) {
        let _ = ptrace::setregs(self.process, self.before);
        let _ = ptrace::detach(self.process, None);
    }
}
