//! What a string of digits, `*` and `#` does when a phone gets it: MMI procedures (TS 22.030 6.5).
//!
//! Says only what a string is, never whether it may be sent. A string that is no procedure of a known service is USSD,
//! whatever the operator makes of it.

/// What a string is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mmi {
    /// Changes how a supplementary service is set.
    Change(Service),
    /// Asks how a supplementary service is set (`*#21#`), and changes nothing.
    Interrogation(Service),
    /// The phone itself answers, with its IMEI (`*#06#`).
    Equipment,
    /// Anything else: the network decides.
    Ussd,
}

/// What a service code of TS 22.030 annex B stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// 21, 61, 62, 67, 002, 004, 66, 214: where calls go.
    Forwarding,
    /// 33, 331, 332, 35, 351, 330, 333, 353, 157: which calls are barred.
    Barring,
    /// 43: a second call waits.
    Waiting,
    /// 30, 31, 76, 77, 300: who sees which number or name.
    Identification,
    /// 37, 75 and 750 to 754, 360 to 363, 88, 591 to 594: completion, priority, signalling, profiles.
    Other,
    /// 03: the password of call barring.
    Password,
    /// 04, 042, 05, 052: PIN and PUK.
    Pin,
}

impl Service {
    /// Words for a person.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarding => "call forwarding",
            Self::Barring => "call barring",
            Self::Waiting => "call waiting",
            Self::Identification => "number identification",
            Self::Other => "a supplementary service",
            Self::Password => "the barring password",
            Self::Pin => "the PIN",
        }
    }

    fn of(code: &str) -> Option<Self> {
        Some(match code {
            "21" | "61" | "62" | "67" | "002" | "004" | "66" | "214" => Self::Forwarding,
            "33" | "331" | "332" | "35" | "351" | "330" | "333" | "353" | "157" => Self::Barring,
            "43" => Self::Waiting,
            "30" | "31" | "76" | "77" | "300" => Self::Identification,
            "37" | "75" | "750" | "751" | "752" | "753" | "754" | "88" | "360" | "361" | "362" | "363" | "591"
            | "592" | "593" | "594" => Self::Other,
            "03" => Self::Password,
            "04" | "042" | "05" | "052" => Self::Pin,
            _ => return None,
        })
    }
}

impl Mmi {
    /// Says what a string is. A procedure that begins after a `#` inside it counts too, and so does one whose last `#`
    /// is missing: phones differ in what they make of those.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let inner = text.match_indices('#').filter_map(|(at, _)| text.get(at + 1..));
        let mut found = Self::Ussd;
        for start in std::iter::once(text).chain(inner) {
            match Self::procedure(start) {
                change @ (Self::Change(_) | Self::Equipment) => return change,
                query @ Self::Interrogation(_) => found = query,
                Self::Ussd => {}
            }
        }
        found
    }

    fn procedure(text: &str) -> Self {
        let rest = text.trim_start_matches(['*', '#']);
        let sign = text.strip_suffix(rest).unwrap_or_default();
        let code = rest.split(['*', '#']).next().unwrap_or_default();
        if sign.is_empty() {
            return Self::Ussd;
        }
        if sign == "*#" && code == "06" {
            return Self::Equipment;
        }
        match (sign, Service::of(code)) {
            (_, None) => Self::Ussd,
            // There is nothing to ask about a PIN or a password.
            ("*#", Some(service)) if !matches!(service, Service::Password | Service::Pin) => {
                Self::Interrogation(service)
            }
            (_, Some(service)) => Self::Change(service),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_what_the_standard_says() {
        use Service as S;
        for (text, expected) in [
            ("*100#", Mmi::Ussd),
            ("*101*2#", Mmi::Ussd),
            ("*#100#", Mmi::Ussd),
            ("*#101*3#", Mmi::Ussd),
            ("#100#", Mmi::Ussd),
            ("*3#", Mmi::Ussd),
            ("*210#", Mmi::Ussd),
            ("*2133#", Mmi::Ussd),
            ("1", Mmi::Ussd),
            ("21#", Mmi::Ussd),
            ("+4921", Mmi::Ussd),
            ("*100*21#", Mmi::Ussd),
            ("*100*21*43#", Mmi::Ussd),
            ("*21*+491700000000#", Mmi::Change(S::Forwarding)),
            ("**21*+491700000000*11#", Mmi::Change(S::Forwarding)),
            ("*21#", Mmi::Change(S::Forwarding)),
            ("#21#", Mmi::Change(S::Forwarding)),
            ("##002#", Mmi::Change(S::Forwarding)),
            ("**61*+49170**20#", Mmi::Change(S::Forwarding)),
            ("**62*1#", Mmi::Change(S::Forwarding)),
            ("**67*1#", Mmi::Change(S::Forwarding)),
            ("*004#", Mmi::Change(S::Forwarding)),
            ("*#21#", Mmi::Interrogation(S::Forwarding)),
            ("*33*0000#", Mmi::Change(S::Barring)),
            ("#330*0000#", Mmi::Change(S::Barring)),
            ("*351*0000#", Mmi::Change(S::Barring)),
            ("*#33#", Mmi::Interrogation(S::Barring)),
            ("*43#", Mmi::Change(S::Waiting)),
            ("*#43#", Mmi::Interrogation(S::Waiting)),
            ("*31#+491700000000", Mmi::Change(S::Identification)),
            ("#31#", Mmi::Change(S::Identification)),
            ("*77#", Mmi::Change(S::Identification)),
            ("*37#", Mmi::Change(S::Other)),
            ("**03*330*0000*1111*1111#", Mmi::Change(S::Password)),
            ("**04*0000*1111*1111#", Mmi::Change(S::Pin)),
            ("**042*0000*1111*1111#", Mmi::Change(S::Pin)),
            ("**05*00000000*1111*1111#", Mmi::Change(S::Pin)),
            ("*#04*1#", Mmi::Change(S::Pin)),
            ("*#06#", Mmi::Equipment),
            // Cut short, and hidden behind a code.
            ("**21*+4917", Mmi::Change(S::Forwarding)),
            ("*21", Mmi::Change(S::Forwarding)),
            ("*100#**21*1#", Mmi::Change(S::Forwarding)),
            ("*#21#**04*1*2*2#", Mmi::Change(S::Pin)),
            ("***21*1#", Mmi::Change(S::Forwarding)),
            ("*100#*#06#", Mmi::Equipment),
        ] {
            assert_eq!(Mmi::of(text), expected, "{text}");
        }
    }
}
