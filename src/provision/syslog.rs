//! rsyslog's configuration for sending the log to a server: RFC 5424 lines over TCP (RFC 6587) or TLS (RFC 5425).
//!
//! What cannot be sent waits in memory, 10,000 lines; then what is new is dropped. Nothing is written to the disk.

use super::network::Syslog;

/// Certificates of the public authorities.
const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The configuration. `ca` is the file with the certificates to trust in place of the public ones.
#[must_use]
pub fn render(syslog: &Syslog, ca: Option<&str>) -> String {
    let Syslog { host, port, tls } = syslog;
    let (global, driver) = if *tls {
        let address = host.parse::<core::net::IpAddr>().is_ok();
        // A certificate seldom names an address: with one, any certificate of the trusted authorities will do.
        let mode = if address { "x509/certvalid" } else { "x509/name" };
        let peer = if address { String::new() } else { format!(" StreamDriverPermittedPeers=\"{host}\"") };
        (
            format!(
                "global(DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{}\")\n",
                ca.unwrap_or(PUBLIC)
            ),
            format!(" StreamDriver=\"ossl\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"{mode}\"{peer}"),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        "{global}module(load=\"imuxsock\" SysSock.Name=\"/run/systemd/journal/syslog\")\n\
         action(type=\"omfwd\" target=\"{host}\" port=\"{port}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
         template=\"RSYSLOG_SyslogProtocol23Format\"{driver} action.resumeRetryCount=\"-1\" \
         queue.type=\"LinkedList\" queue.size=\"10000\" queue.timeoutEnqueue=\"0\")\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_checked_against_the_name_where_there_is_one() {
        let mut syslog = Syslog { host: "log.example.org".to_owned(), port: 6514, tls: true };
        let text = render(&syslog, Some("/data/config/current/syslog-ca.pem"));
        assert!(text.contains("CAFile=\"/data/config/current/syslog-ca.pem\""), "{text}");
        assert!(text.contains("x509/name\" StreamDriverPermittedPeers=\"log.example.org\""), "{text}");
        syslog.host = "192.0.2.9".to_owned();
        assert!(render(&syslog, None).contains("x509/certvalid\""));
        syslog.tls = false;
        let text = render(&syslog, None);
        assert!(
            !text.contains("ossl") && text.contains("target=\"192.0.2.9\" port=\"6514\" protocol=\"tcp\""),
            "{text}"
        );
    }
}
