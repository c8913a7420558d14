//! `munin_smsgate`: counters and balances for Munin (its plugin interface and multigraph protocol).
//!
//! Graph and field names are upstream's, since Munin names its history files after them.

use std::{env, io::Write, time::Duration};

use super::{
    connection::Connection,
    exit::{Exit, Failure},
    stats,
};
use crate::{model::printable, rpc::wire::Value};

const DEADLINE: Duration = Duration::from_secs(10);

struct Graph {
    /// Start of graph and field names.
    name: &'static str,
    title: &'static str,
    /// The member of `get_stats`.
    member: &'static str,
    kind: &'static str,
    label: &'static str,
    info: &'static str,
    /// `None` = the currency.
    unit: Option<&'static str>,
}

const GRAPHS: [Graph; 3] = [
    Graph {
        name: "sent",
        title: "Sent via modem",
        member: "sent",
        kind: "DERIVE",
        label: "sent via",
        info: "SMS sent via modem",
        unit: Some("sent"),
    },
    Graph {
        name: "recv",
        title: "Received via modem",
        member: "received",
        kind: "DERIVE",
        label: "received via",
        info: "SMS received via modem",
        unit: Some("received"),
    },
    Graph {
        name: "balance",
        title: "Balance of SIM card in modem",
        member: "balance",
        kind: "GAUGE",
        label: "balance of",
        info: "Account balance of SIM card in modem",
        unit: None,
    },
];

/// Where the gateway is, from the variables a Munin node sets.
///
/// # Errors
/// A port that is no number.
pub(super) fn connection_from_environment() -> Result<Connection, Failure> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    Ok(Connection {
        host: variable("smsgate_host").unwrap_or_else(|| "localhost".to_owned()),
        port: variable("smsgate_port").map_or(Ok(7000), |port| {
            port.parse().map_err(|_| Failure::new(Exit::Usage, "the variable smsgate_port is no port number"))
        })?,
        ca: variable("smsgate_cafile").map(Into::into),
        api_token: variable("smsgate_api_token"),
        api_token_file: None,
    })
}

/// Prints what Munin asked for.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(connection: &Connection, request: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let fetched = connection.client(DEADLINE).and_then(|client| stats::fetch(&client).map_err(Failure::Client));
    let text = match (request, fetched) {
        (Some("autoconf"), Ok(_)) => "yes\n".to_owned(),
        (Some("autoconf"), Err(error)) => format!("no ({error})\n"),
        (Some("config"), Ok(modems)) => config(&modems),
        (_, Ok(modems)) => values(&modems),
        (_, Err(error)) => return Err(error),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn config(modems: &[(String, Value)]) -> String {
    let mut text = String::new();
    for Graph { name, title, kind, label, info, unit, .. } in &GRAPHS {
        for (id, modem) in modems {
            let (field, id) = (field(id), printable(id));
            let currency = stats::text(modem, "currency");
            let unit = unit.unwrap_or(&currency);
            text += &format!(
                "multigraph smsgate_{name}_{field}\n\
                 graph_title SMSGate - {title} {id}\n\
                 graph_args --base 1000 -l 0\n\
                 graph_vlabel {unit}\n\
                 graph_scale no\n\
                 graph_category smsgate\n\
                 {name}_{field}.label {label} {id}\n\
                 {name}_{field}.info {info} {id}.\n\
                 {name}_{field}.type {kind}\n\
                 {name}_{field}.min 0\n\n"
            );
        }
    }
    text
}

fn values(modems: &[(String, Value)]) -> String {
    let mut text = String::new();
    for Graph { name, member, .. } in &GRAPHS {
        for (id, modem) in modems {
            let field = field(id);
            let value = match modem.member(member) {
                Some(Value::Number(number)) => number.to_f64().to_string(),
                _ => "U".to_owned(),
            };
            text += &format!("multigraph smsgate_{name}_{field}\n{name}_{field}.value {value}\n\n");
        }
    }
    text
}

/// An identifier as part of a field name: letters, digits and underscores are all that Munin takes.
fn field(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
