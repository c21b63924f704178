//! Counters: `statistics`, `stats`, `dbstatistics`.

use super::times::{LocalTime, as_f64, span};
use super::{Report, line};
use crate::client::db_statistics::DbStatistics;
use crate::client::statistics::{Latency, Statistics};
use crate::console::json::Value;
use crate::console::quote::hex_text;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// A counter: its group (empty for none), its name, its value.
type Counter = (&'static str, &'static str, u32);

fn counters(s: &Statistics) -> Vec<Counter> {
    vec![
        ("", "num_clients", s.num_clients),
        ("", "frozen", s.frozen),
        ("", "recovering", s.recovering),
        ("", "num_recoveries", s.num_recoveries),
        ("", "client_packets_sent", s.client_packets_sent),
        ("", "client_packets_recv", s.client_packets_recv),
        ("", "node_packets_sent", s.node_packets_sent),
        ("", "node_packets_recv", s.node_packets_recv),
        ("", "keepalive_packets_sent", s.keepalive_packets_sent),
        ("", "keepalive_packets_recv", s.keepalive_packets_recv),
        ("node", "req_call", s.node.req_call),
        ("node", "reply_call", s.node.reply_call),
        ("node", "req_dmaster", s.node.req_dmaster),
        ("node", "reply_dmaster", s.node.reply_dmaster),
        ("node", "reply_error", s.node.reply_error),
        ("node", "req_message", s.node.req_message),
        ("node", "req_control", s.node.req_control),
        ("node", "reply_control", s.node.reply_control),
        ("node", "req_tunnel", s.node.req_tunnel),
        ("client", "req_call", s.client.req_call),
        ("client", "req_message", s.client.req_message),
        ("client", "req_control", s.client.req_control),
        ("client", "req_tunnel", s.client.req_tunnel),
        ("timeouts", "call", s.timeouts[0]),
        ("timeouts", "control", s.timeouts[1]),
        ("timeouts", "traverse", s.timeouts[2]),
        ("locks", "num_calls", s.locks.num_calls),
        ("locks", "num_current", s.locks.num_current),
        ("locks", "num_pending", s.locks.num_pending),
        ("locks", "num_failed", s.locks.num_failed),
        ("", "total_calls", s.total_calls),
        ("", "pending_calls", s.pending_calls),
        ("", "childwrite_calls", s.childwrite_calls),
        ("", "pending_childwrite_calls", s.pending_childwrite_calls),
        ("", "memory_used", s.memory_used),
        ("", "max_hop_count", s.max_hop_count),
        ("", "total_ro_delegations", s.total_ro_delegations),
        ("", "total_ro_revokes", s.total_ro_revokes),
    ]
}

fn put_counters(out: &mut Vec<u8>, counters: &[Counter]) {
    let mut group = "";
    for (in_group, name, value) in counters {
        if group != *in_group && !in_group.is_empty() {
            line!(out, " {in_group}");
        }
        group = in_group;
        if group.is_empty() {
            line!(out, " {name:<22}    {value:>10}");
        } else {
            line!(out, "     {name:<22}{value:>10}");
        }
    }
}

fn put_buckets(out: &mut Vec<u8>, name: &str, buckets: &[u32]) {
    let numbers: Vec<String> = buckets.iter().map(ToString::to_string).collect();
    line!(out, " {name}: {}", numbers.join(" "));
}

fn average(latency: &Latency) -> f64 {
    match latency.num {
        0 => 0.0,
        num => latency.total_s / f64::from(num),
    }
}

fn put_latency(out: &mut Vec<u8>, name: &str, latency: &Latency) {
    let (min, max, num) = (latency.min_s, latency.max_s, latency.num);
    let average = average(latency);
    line!(
        out,
        " {name:<18} MIN/AVG/MAX     {min:.6}/{average:.6}/{max:.6} sec out of {num}"
    );
}

fn latency_json(latency: &Latency) -> Value {
    Value::object([
        ("num", latency.num.into()),
        ("min", latency.min_s.into()),
        ("avg", average(latency).into()),
        ("max", latency.max_s.into()),
    ])
}

fn buckets_json(buckets: &[u32]) -> Value {
    Value::list(buckets.iter().map(|count| (*count).into()))
}

fn counters_json(counters: &[Counter]) -> Vec<(String, Value)> {
    let mut fields: Vec<(String, Value)> = Vec::new();
    for (group, name, value) in counters {
        let field = ((*name).into(), (*value).into());
        if group.is_empty() {
            fields.push(field);
            continue;
        }
        match fields.last_mut() {
            Some((last, Value::Object(members))) if last == group => members.push(field),
            _ => fields.push(((*group).into(), Value::Object(vec![field]))),
        }
    }
    fields
}

/// `statistics`, `stats`: one sample or several.
#[derive(Clone, Debug)]
pub struct StatisticsReport {
    /// The samples.
    pub samples: Vec<Statistics>,
    /// Writes points in time.
    pub local_time: LocalTime,
}

impl StatisticsReport {
    fn put_sample(&self, out: &mut Vec<u8>, s: &Statistics) {
        let now = (self.local_time)(s.current_time.seconds);
        let since = (self.local_time)(s.start_time.seconds);
        let span = span(s.current_time, s.start_time);
        line!(out, "CTDB version 1");
        line!(out, "Current time of statistics  :                {now}");
        line!(out, "Statistics collected since  : {span} {since}");
        put_counters(out, &counters(s));
        put_buckets(out, "hop_count_buckets", &s.hop_count_buckets);
        put_buckets(out, "lock_buckets", &s.locks.buckets);
        for (name, latency) in [
            ("locks_latency", &s.locks.latency),
            ("reclock_ctdbd", &s.reclock_ctdbd),
            ("reclock_recd", &s.reclock_recd),
            ("call_latency", &s.call_latency),
            ("childwrite_latency", &s.childwrite_latency),
        ] {
            put_latency(out, name, latency);
        }
    }
}

/// The latencies of the machine form: name and value.
fn named_latencies(s: &Statistics) -> [(&'static str, &Latency); 5] {
    [
        ("reclock_ctdbd", &s.reclock_ctdbd),
        ("reclock_recd", &s.reclock_recd),
        ("call", &s.call_latency),
        ("lockwait", &s.locks.latency),
        ("childwrite", &s.childwrite_latency),
    ]
}

fn put_ended(out: &mut Vec<u8>, separator: char, fields: impl IntoIterator<Item = String>) {
    let mut text = String::new();
    for field in fields {
        text.push_str(&field);
        text.push(separator);
    }
    line!(out, "{text}");
}

fn machine_heading() -> Vec<String> {
    let sample = Statistics::default();
    let mut fields: Vec<String> = vec![
        "CTDB version".into(),
        "Current time of statistics".into(),
        "Statistics collected since".into(),
    ];
    fields.extend(
        counters(&sample)
            .iter()
            .map(|(group, name, _)| match *group {
                "" => (*name).into(),
                group => format!("{group}.{name}"),
            }),
    );
    for (name, _) in named_latencies(&sample) {
        fields.extend(["num", "min", "avg", "max"].map(|what| format!("{what}_{name}_latency")));
    }
    fields
}

fn machine_values(s: &Statistics) -> Vec<String> {
    let mut fields: Vec<String> = vec![
        "1".into(),
        s.current_time.seconds.to_string(),
        s.start_time.seconds.to_string(),
    ];
    fields.extend(counters(s).iter().map(|(_, _, value)| value.to_string()));
    for (_, latency) in named_latencies(s) {
        fields.push(latency.num.to_string());
        let seconds = [latency.min_s, average(latency), latency.max_s];
        fields.extend(seconds.map(|seconds| format!("{seconds:.6}")));
    }
    fields
}

impl Report for StatisticsReport {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for sample in &self.samples {
            self.put_sample(out, sample);
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_ended(out, separator, machine_heading());
        for sample in &self.samples {
            put_ended(out, separator, machine_values(sample));
        }
    }

    fn json(&self) -> Value {
        Value::list(self.samples.iter().map(|s| {
            let mut fields = counters_json(&counters(s));
            fields.push(("current_time".into(), as_f64(s.current_time).into()));
            fields.push(("start_time".into(), as_f64(s.start_time).into()));
            fields.push((
                "hop_count_buckets".into(),
                buckets_json(&s.hop_count_buckets),
            ));
            fields.push(("lock_buckets".into(), buckets_json(&s.locks.buckets)));
            for (name, latency) in named_latencies(s) {
                fields.push((format!("{name}_latency"), latency_json(latency)));
            }
            Value::Object(fields)
        }))
    }
}

/// `dbstatistics`
#[derive(Clone, Debug, PartialEq)]
pub struct DbStatisticsReport {
    /// The database.
    pub name: String,
    /// Its counters.
    pub statistics: DbStatistics,
}

impl DbStatisticsReport {
    fn counters(&self) -> [Counter; 6] {
        let s = &self.statistics;
        [
            ("", "db_ro_delegations", s.ro_delegations),
            ("", "db_ro_revokes", s.ro_revokes),
            ("locks", "num_calls", s.locks.num_calls),
            ("locks", "num_current", s.locks.num_current),
            ("locks", "num_pending", s.locks.num_pending),
            ("locks", "num_failed", s.locks.num_failed),
        ]
    }
}

impl Report for DbStatisticsReport {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let s = &self.statistics;
        line!(out, "DB Statistics {}", self.name);
        put_counters(out, &self.counters());
        put_buckets(out, "hop_count_buckets", &s.hop_count_buckets);
        put_buckets(out, "lock_buckets", &s.locks.buckets);
        put_latency(out, "locks_latency", &s.locks.latency);
        put_latency(out, "vacuum_latency", &s.vacuum_latency);
        line!(out, " Num Hot Keys:     {}", s.hot_keys.len());
        for hot in &s.hot_keys {
            line!(out, "     Count:{} Key:{}", hot.count, hex_text(&hot.key));
        }
    }

    fn json(&self) -> Value {
        let s = &self.statistics;
        let hot = s.hot_keys.iter().filter(|hot| hot.count > 0).map(|hot| {
            let key = Value::bytes(&hot.key);
            Value::object([("count", hot.count.into()), ("key", key)])
        });
        let mut fields = vec![("name".into(), self.name.as_str().into())];
        fields.extend(counters_json(&self.counters()));
        fields.push((
            "hop_count_buckets".into(),
            buckets_json(&s.hop_count_buckets),
        ));
        fields.push(("lock_buckets".into(), buckets_json(&s.locks.buckets)));
        fields.push(("locks_latency".into(), latency_json(&s.locks.latency)));
        fields.push(("vacuum_latency".into(), latency_json(&s.vacuum_latency)));
        fields.push(("hot_keys".into(), Value::list(hot)));
        Value::Object(fields)
    }
}
