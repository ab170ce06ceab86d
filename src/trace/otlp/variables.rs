//! Reads those variables of OpenTelemetry that decide whether and how spans are exported. What the libraries would pass over in
//! silence is refused here; what they read well themselves is left to them.

use std::time::Duration;

use reqwest::Url;

/// How long sending a batch may take unless a variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many spans may wait to be sent, unless a variable says otherwise.
const QUEUE: usize = 2048;

const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// How spans are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variables {
    /// How long sending a batch may take.
    pub(super) timeout: Duration,
    /// How many spans may wait to be sent.
    pub(super) queue: usize,
    /// Whether a variable names the service.
    pub(super) names_the_service: bool,
}

impl Variables {
    /// What this process was started with; `None` if it exports no spans.
    pub(super) fn of_the_process() -> Result<Option<Self>, String> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(value: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, value(name)?)));
        let is_disabled = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoint = first(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
        let is_wanted = match value("OTEL_TRACES_EXPORTER").as_deref() {
            Some("none") => false,
            Some("otlp") => true,
            None => endpoint.is_some(),
            Some(other) => return Err(format!("OTEL_TRACES_EXPORTER is {other:?}; write \"otlp\" or \"none\"")),
        };
        if is_disabled || !is_wanted {
            return Ok(None);
        }
        if let Some((name, endpoint)) = endpoint {
            let is_http = Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            // its value is not shown: it may hold a password
            is_http.then_some(()).ok_or(format!("{name} is no URL; write one such as \"http://localhost:4318\""))?;
        }
        if let Some((name, protocol)) = first(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"])
            && protocol != "http/protobuf"
        {
            let cure = "write \"http/protobuf\", which is the only one here, and the port for it, usually 4318";
            return Err(format!("{name} is {protocol:?}; {cure}"));
        }
        check_sampler(value("OTEL_TRACES_SAMPLER"), value("OTEL_TRACES_SAMPLER_ARG"))?;
        let timeout = first(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]).map(number);
        let queue = value("OTEL_BSP_MAX_QUEUE_SIZE").map(|value| number(("OTEL_BSP_MAX_QUEUE_SIZE", value)));
        let queue = queue.transpose()?.and_then(|queue| usize::try_from(queue).ok());
        let attributes = value("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut keys = attributes.split(',').filter_map(|attribute| attribute.split_once('='));
        Ok(Some(Variables {
            timeout: timeout.transpose()?.map_or(TIMEOUT, Duration::from_millis),
            queue: queue.unwrap_or(QUEUE),
            names_the_service: value("OTEL_SERVICE_NAME").is_some()
                || keys.any(|(key, _)| key.trim() == "service.name"),
        }))
    }
}

fn number((name, value): (&'static str, String)) -> Result<u64, String> {
    let number = value.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or(format!("{name} is {value:?}; write a whole number above 0"))
}

fn check_sampler(sampler: Option<String>, argument: Option<String>) -> Result<(), String> {
    let Some(sampler) = sampler else { return Ok(()) };
    if !SAMPLERS.contains(&sampler.as_str()) {
        return Err(format!("OTEL_TRACES_SAMPLER is {sampler:?}; write one of {}", SAMPLERS.join(", ")));
    }
    let is_share = |argument: &String| argument.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share));
    if sampler.ends_with("ratio") && !argument.as_ref().is_none_or(is_share) {
        let argument = argument.unwrap_or_default();
        return Err(format!("OTEL_TRACES_SAMPLER_ARG is {argument:?}; write a share from 0 to 1, such as 0.1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<Variables>, String> {
        Variables::read(|name| Some(set.iter().find(|(set, _)| *set == name)?.1.to_owned()))
    }

    const ON: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

    #[test]
    fn spans_are_exported_if_an_endpoint_is_named_or_the_exporter_is() {
        let usual = Variables { timeout: TIMEOUT, queue: QUEUE, names_the_service: false };
        for on in [
            &[ON][..],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/v1/traces")],
            &[("OTEL_TRACES_EXPORTER", "otlp")],
            &[ON, ("OTEL_SDK_DISABLED", "false"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        ] {
            assert_eq!(read(on), Ok(Some(usual)), "{on:?}");
        }
        for off in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "prices")],
            &[ON, ("OTEL_SDK_DISABLED", "true")],
            &[ON, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(off), Ok(None), "{off:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable() {
        for (name, value) in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ] {
            let refused = read(&[ON, (name, value)]).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
        for share in ["half", "1.5", "-1", "NaN"] {
            let set = [ON, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", share)];
            assert!(read(&set).unwrap_err().contains("OTEL_TRACES_SAMPLER_ARG"), "{share}");
        }
    }

    #[test]
    fn an_endpoint_that_is_refused_is_not_shown() {
        let refused = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "user:password@host")]).unwrap_err();
        assert!(!refused.contains("password"), "{refused}");
    }

    #[test]
    fn numbers_and_names_are_taken_from_their_variables() {
        let set = [
            ON,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "9"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test, service.name=prices"),
        ];
        let expected = Variables { timeout: Duration::from_millis(250), queue: 9, names_the_service: true };
        assert_eq!(read(&set), Ok(Some(expected)));
        assert!(read(&[ON, ("OTEL_SERVICE_NAME", "prices")]).unwrap().unwrap().names_the_service);
    }
}
