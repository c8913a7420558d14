//! `token`: makes API tokens and their hashes.
//!
//! A token has 30 letters and digits, 178 bits from the system's random numbers; the configuration holds its hash only.

use std::io::{BufRead, IsTerminal, Write};

use aws_lc_rs::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use clap::Args;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::exit::{Exit, Failure};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 30;
/// bcrypt reads no more (and Python's bcrypt refuses more).
const MAX_OCTETS: usize = 72;
/// A random token needs no stretching; this is for those that people think up, and for upstream, which reads it too.
const COST: u32 = 10;

/// Flags of `token`.
#[derive(Args, Clone, Debug)]
pub(super) struct TokenArgs {
    /// Hash the token on standard input instead of making one
    #[arg(long)]
    pub(super) hash: bool,
    /// Hash with SHA-256: quicker to check, for random tokens only, not understood by other gateways
    #[arg(long, conflicts_with = "hash")]
    pub sha256: bool,
    /// Print JSON: an object with `token` (unless it was read) and `hash`
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes or reads a token and prints its hash.
///
/// # Errors
/// [`Failure`]: no random numbers, a token that cannot be used.
pub(super) fn run(args: &TokenArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.hash {
        let hash = bcrypt_hash(&read_token()?)?;
        if args.json {
            writeln!(out, "{}", json!({ "hash": hash }))?;
        } else {
            writeln!(out, "{hash}")?;
        }
        return Ok(());
    }
    let token = random_token()?;
    let hash = if args.sha256 { sha256_hash(&token) } else { bcrypt_hash(&token)? };
    let token = token.expose_secret();
    if args.json {
        writeln!(out, "{}", json!({ "token": token, "hash": hash }))?;
        return Ok(());
    }
    writeln!(
        out,
        "Token: {token}\n\
         Hash:  {hash}\n\n\
         Give the token to the client, in the variable SMSGATE_APITOKEN. It is kept nowhere else.\n\
         Put the hash into smsgate.conf, section [api], behind the functions it is for (several hashes: a blank between):\n\
         \n    token_send_sms = {hash}\n\n\
         Then reload the gateway: systemctl reload smsgate, or kill -HUP and its process id."
    )?;
    Ok(())
}

/// A fresh token.
///
/// # Errors
/// [`Failure`]: no random numbers.
pub(crate) fn random_token() -> Result<SecretString, Failure> {
    let random = SystemRandom::new();
    let mut token = String::with_capacity(LENGTH);
    let mut octets = [0; 64];
    while token.len() < LENGTH {
        random.fill(&mut octets).map_err(|_| Failure::new(Exit::System, "the system gives no random numbers"))?;
        // Octets from 4 * 62 on would make some letters likelier than others.
        let fair = octets.iter().map(|octet| usize::from(*octet)).filter(|octet| *octet < 4 * ALPHABET.len());
        let letters = fair.filter_map(|octet| ALPHABET.get(octet % ALPHABET.len())).map(|letter| char::from(*letter));
        token.extend(letters.take(LENGTH - token.len()));
    }
    Ok(token.into())
}

/// The hash of a token for the configuration.
///
/// # Errors
/// [`Failure`]: the token is too long or has a NUL.
pub(crate) fn bcrypt_hash(token: &SecretString) -> Result<String, Failure> {
    bcrypt::non_truncating_hash(token.expose_secret(), COST)
        .map_err(|error| Failure::new(Exit::Data, format!("this token cannot be hashed: {error}")))
}

fn sha256_hash(token: &SecretString) -> String {
    let digest = digest::digest(&digest::SHA256, token.expose_secret().as_bytes());
    let hex: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{hex}")
}

/// One line of standard input; a person's typing is not shown.
fn read_token() -> Result<SecretString, Failure> {
    let stdin = std::io::stdin();
    let hidden = stdin.is_terminal().then(|| {
        let _ = write!(std::io::stderr(), "Token: ");
        HiddenTyping::new()
    });
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if hidden.is_some() {
        drop(hidden);
        let _ = writeln!(std::io::stderr());
    }
    read.map_err(|error| Failure::new(Exit::Data, format!("the token cannot be read: {error}")))?;
    let token = line.trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        return Err(Failure::new(Exit::Data, "no token on standard input"));
    }
    if token.len() > MAX_OCTETS || token.contains('\0') {
        return Err(Failure::new(Exit::Data, format!("a token has at most {MAX_OCTETS} octets and no NUL")));
    }
    Ok(token.into())
}

/// Switches the terminal's echo off while it lives.
struct HiddenTyping(Option<Termios>);

impl HiddenTyping {
    fn new() -> Self {
        let stdin = std::io::stdin();
        let Ok(before) = termios::tcgetattr(&stdin) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        Self(termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &silent).is_ok().then_some(before))
    }
}

impl Drop for HiddenTyping {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tokens_differ_and_use_the_whole_alphabet() {
        let tokens: Vec<_> = (0..200).map(|_| random_token().unwrap().expose_secret().to_owned()).collect();
        assert!(tokens.iter().all(|token| token.len() == LENGTH));
        assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 200);
        assert_eq!(tokens.concat().chars().collect::<BTreeSet<_>>().len(), ALPHABET.len());
    }

    #[test]
    fn hashes_verify() {
        let token = SecretString::from("abc");
        assert!(bcrypt::verify("abc", &bcrypt_hash(&token).unwrap()).unwrap());
        assert_eq!(sha256_hash(&token), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
