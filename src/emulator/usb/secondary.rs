//! The second AT port of a modem: it takes commands, echoes, and knows little more than that it is one.
//!
//! A real one knows nearly all that the first does. This one says `ERROR` to what would need the modem behind it, so that
//! whoever takes the wrong port finds out.

/// Longest line; more is cut off.
const LONGEST: usize = 256;

/// The port.
#[derive(Debug)]
pub(super) struct Secondary {
    echo: bool,
    line: Vec<u8>,
}

impl Default for Secondary {
    fn default() -> Self {
        Self { echo: true, line: Vec::new() }
    }
}

impl Secondary {
    /// Octets from the terminal; octets for it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        for byte in bytes {
            if self.echo {
                answer.push(*byte);
            }
            match byte {
                b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    if let Some(result) = self.result(&String::from_utf8_lossy(&line).trim().to_ascii_uppercase()) {
                        answer.extend(format!("\r\n{result}\r\n").bytes());
                    }
                }
                _ if self.line.len() < LONGEST => self.line.push(*byte),
                _ => {}
            }
        }
        answer
    }

    fn result(&mut self, line: &str) -> Option<&'static str> {
        match line.strip_prefix("AT")? {
            "" | "Z" | "&F" => Some("OK"),
            "E" | "E0" => {
                self.echo = false;
                Some("OK")
            }
            "E1" => {
                self.echo = true;
                Some("OK")
            }
            _ => Some("ERROR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_that_it_is_an_at_port() {
        let table = [
            ("AT\r", "AT\r\r\nOK\r\n"),
            ("ate0\r", "ate0\r\r\nOK\r\n"),
            ("AT\r", "\r\nOK\r\n"),
            ("AT+CGSN\r", "\r\nERROR\r\n"),
            ("hello\r", ""),
            ("A", ""),
            ("T\r\n", "\r\nOK\r\n"),
            ("ATE1\r", "\r\nOK\r\n"),
            ("AT\r", "AT\r\r\nOK\r\n"),
        ];
        let mut port = Secondary::default();
        for (said, answer) in table {
            assert_eq!(String::from_utf8(port.take(said.as_bytes())).unwrap(), answer, "{said:?}");
        }
    }

    #[test]
    fn an_endless_line_needs_no_endless_memory() {
        let mut port = Secondary::default();
        port.take(&[b'x'; 10 * LONGEST]);
        assert_eq!(port.line.len(), LONGEST);
    }
}
