//! `munin_smsgate`: counters, balances, signal and health for Munin (its plugin interface, the multigraph protocol and
//! dirtyconfig).
//!
//! The names of the graphs and fields for sent, received and balance are upstream's, since Munin names its history files
//! after them.

use std::{collections::BTreeMap, env, io::Write, time::Duration};

use super::{
    connection::{Connection, TOKEN_VARIABLE},
    exit::{Exit, Failure},
    stats,
};
use crate::{model::printable, rpc::wire::Value};

const DEADLINE: Duration = Duration::from_secs(10);

struct Graph {
    /// Start of graph and field names.
    name: &'static str,
    title: &'static str,
    scale: &'static str,
    kind: &'static str,
    label: &'static str,
    info: &'static str,
    /// `None` = the currency.
    unit: Option<&'static str>,
    /// Least and, where there is one, greatest value.
    bounds: (&'static str, Option<&'static str>),
    /// `warning` and `critical` of a modem.
    limits: fn(&Value) -> Option<(String, String)>,
    /// The value of a modem, if it is known.
    value: fn(&Value) -> Option<f64>,
}

const GRAPHS: [Graph; 5] = [
    Graph {
        name: "sent",
        title: "Sent via modem",
        scale: "-l 0",
        kind: "DERIVE",
        label: "sent via",
        info: "SMS sent via modem",
        unit: Some("sent"),
        bounds: ("0", None),
        limits: |_| None,
        value: |modem| stats::number(modem, "sent"),
    },
    Graph {
        name: "recv",
        title: "Received via modem",
        scale: "-l 0",
        kind: "DERIVE",
        label: "received via",
        info: "SMS received via modem",
        unit: Some("received"),
        bounds: ("0", None),
        limits: |_| None,
        value: |modem| stats::number(modem, "received"),
    },
    Graph {
        name: "balance",
        title: "Balance of SIM card in modem",
        scale: "-l 0",
        kind: "GAUGE",
        label: "balance of",
        info: "Account balance of SIM card in modem",
        unit: None,
        bounds: ("0", None),
        limits: |modem| {
            let floor = |member| stats::number(modem, member).map(|limit| format!("{limit}:"));
            floor("balance_warning").zip(floor("balance_critical"))
        },
        value: |modem| stats::number(modem, "balance"),
    },
    Graph {
        name: "signal",
        title: "Signal of modem",
        scale: "-l -113 -u -51",
        kind: "GAUGE",
        label: "signal of",
        info: "Signal strength (RSSI) of modem",
        unit: Some("dBm"),
        bounds: ("-113", Some("-51")),
        // Below +CSQ 6 and below +CSQ 2, as health judges it.
        limits: |_| Some(("-101:".to_owned(), "-109:".to_owned())),
        // What is not there has no signal, not a weak one.
        value: |modem| stats::number(modem, "current_signal").filter(|_| !stats::text(modem, "port").is_empty()),
    },
    Graph {
        name: "health",
        title: "Health of modem",
        scale: "-l 0 -u 2",
        kind: "GAUGE",
        label: "health of",
        info: "Health (0 OK, 1 warning, 2 critical) of modem",
        unit: Some("state"),
        bounds: ("0", Some("2")),
        limits: |_| Some((":0".to_owned(), ":1".to_owned())),
        value: |modem| match stats::text(modem, "health_state_short").as_str() {
            "OK" => Some(0.0),
            "WARNING" => Some(1.0),
            "CRITICAL" => Some(2.0),
            _ => None,
        },
    },
];

/// Whether a Munin node runs this program. It does so by the name of the link in its folder, which upstream's manual calls
/// `smsgate`, as the whole program is called.
pub(super) fn is_asking() -> bool {
    variable("MUNIN_CAP_MULTIGRAPH").is_some()
}

/// Prints what Munin asked for.
///
/// # Errors
/// [`Failure`]: an unusable variable, no answer from the gateway.
pub(super) fn run(request: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let fetched = connection().and_then(|connection| {
        let client = connection.client(DEADLINE)?;
        let modems = stats::fetch(&client);
        client.abandon();
        Ok(modems?)
    });
    let dirty = variable("MUNIN_CAP_DIRTYCONFIG").is_some_and(|value| value == "1");
    let text = match (request, fetched) {
        (Some("autoconf"), Ok(_)) => "yes\n".to_owned(),
        // A plugin that cannot work here says so and ends well.
        (Some("autoconf"), Err(error)) => format!("no ({error})\n"),
        (_, Err(error)) => return Err(error),
        (Some("config"), Ok(modems)) => graphs(&modems, true, dirty),
        (None | Some(""), Ok(modems)) => graphs(&modems, false, true),
        (Some(other), Ok(_)) => {
            let line = format!("no such request: {}; Munin asks for config, autoconf or nothing", printable(other));
            return Err(Failure::new(Exit::Usage, line));
        }
    };
    Ok(out.write_all(text.as_bytes())?)
}

/// Where the gateway is, from the variables a Munin node sets.
fn connection() -> Result<Connection, Failure> {
    let unusable = |what: &str| Failure::new(Exit::Usage, format!("{what}; it is set in munin-node's plugin-conf.d"));
    let port = variable("smsgate_port").map_or(Ok(7000), |port| port.parse());
    let token = variable("smsgate_api_token").or_else(|| variable(TOKEN_VARIABLE));
    Ok(Connection {
        host: variable("smsgate_host").unwrap_or_else(|| "localhost".to_owned()),
        port: port.map_err(|_| unusable("env.smsgate_port is no port number"))?,
        ca: variable("smsgate_cafile").map(Into::into),
        api_token: Some(token.ok_or_else(|| unusable("no API token: there is no env.smsgate_api_token"))?),
        api_token_file: None,
    })
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A part per graph and modem: how to draw it, its value, or both.
fn graphs(modems: &[(String, Value)], with_config: bool, with_value: bool) -> String {
    let fields = fields(modems);
    let mut text = String::new();
    for graph in &GRAPHS {
        for ((id, modem), field) in modems.iter().zip(&fields) {
            let field = format!("{}_{field}", graph.name);
            text += &format!("multigraph smsgate_{field}\n");
            if with_config {
                text += &config(graph, &field, &printable(id), modem);
            }
            if with_value {
                let value = (graph.value)(modem).map_or_else(|| "U".to_owned(), |value| value.to_string());
                text += &format!("{field}.value {value}\n");
            }
            text.push('\n');
        }
    }
    text
}

fn config(graph: &Graph, field: &str, id: &str, modem: &Value) -> String {
    let Graph { title, scale, kind, label, info, unit, bounds: (least, greatest), limits, .. } = graph;
    let currency = stats::text(modem, "currency");
    let unit = unit.unwrap_or(&currency);
    let mut text = format!(
        "graph_title SMSGate - {title} {id}\n\
         graph_args --base 1000 {scale}\n\
         graph_vlabel {unit}\n\
         graph_scale no\n\
         graph_category smsgate\n\
         {field}.label {label} {id}\n\
         {field}.info {info} {id}.\n\
         {field}.type {kind}\n\
         {field}.min {least}\n"
    );
    if let Some(greatest) = greatest {
        text += &format!("{field}.max {greatest}\n");
    }
    if let Some((warning, critical)) = limits(modem) {
        text += &format!("{field}.warning {warning}\n{field}.critical {critical}\n");
    }
    text
}

/// The identifiers as parts of field names: letters, digits and underscores are all that Munin takes. Two that become the
/// same are numbered, so that none overwrites the history of another.
fn fields(modems: &[(String, Value)]) -> Vec<String> {
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let cleaned =
        |id: &str| -> String { id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect() };
    modems
        .iter()
        .map(|(id, _)| {
            let field = cleaned(id);
            let times = taken.entry(field.clone()).or_default();
            *times += 1;
            if *times == 1 { field } else { format!("{field}__{times}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_become_field_names() {
        let modems = ["00", "roof-1", "roof 1", "Ä"].map(|id| (id.to_owned(), Value::Struct(vec![])));
        assert_eq!(fields(&modems), ["00", "roof_1", "roof_1__2", "_"]);
    }

    #[test]
    fn what_is_unknown_is_u_and_has_no_limits() {
        let modems = [("00".to_owned(), Value::Struct(vec![("balance".into(), Value::string(""))]))];
        let text = graphs(&modems, true, true);
        assert_eq!(text.matches(".value U\n").count(), GRAPHS.len(), "{text}");
        assert!(!text.contains("balance_00.warning"), "{text}");
    }
}
