use config_schema::snapshot::{Health, LocalityEndpoints};

use super::*;

/// `ADDRESS:PORT@PRIORITY`, with names for addresses where it does not parse.
fn endpoints(list: &[&str]) -> Endpoints {
    let mut endpoints = Endpoints::default();
    for text in list {
        let (address, priority) = text.split_once('@').unwrap_or((text, "0"));
        let address = match (address.parse(), address.rsplit_once(':')) {
            (Ok(socket), _) => EndpointAddress::Socket(socket),
            (_, Some((name, port))) => EndpointAddress::Host(name.to_owned(), port.parse().unwrap()),
            _ => EndpointAddress::Unix(address.to_owned()),
        };
        let endpoint = Endpoint {
            address,
            weight: 3,
            health: Health::Healthy,
            mesh_tls: false,
            service_account: None,
            workload: Arc::default(),
            found_by: None,
        };
        let priority = priority.parse().unwrap();
        let locality = LocalityEndpoints { priority, weight: 1, endpoints: vec![endpoint], ..Default::default() };
        endpoints.localities.push(locality);
    }
    endpoints
}

fn shown(endpoints: &Endpoints) -> Vec<String> {
    let groups = endpoints.localities.iter();
    groups
        .flat_map(|group| group.endpoints.iter().map(|e| format!("{}@{} x{}", e.address, group.priority, e.weight)))
        .collect()
}

#[test]
fn names_become_endpoints() {
    let addresses: Addresses = [
        ("us.example.net", &["192.0.2.1", "192.0.2.2"][..]),
        ("eu.example.net", &["192.0.2.2", "2001:db8::1"][..]),
        ("gone.example.net", &[][..]),
    ]
    .into_iter()
    .map(|(name, list)| (name.to_owned(), list.iter().map(|a| a.parse().unwrap()).collect()))
    .collect();
    let configured = endpoints(&[
        "us.example.net:80",
        "eu.example.net:80",
        "eu.example.net:81@1",
        "gone.example.net:80",
        "192.0.2.9:80",
        "/run/app.sock",
    ]);
    let all = [
        "192.0.2.1:80@0 x3",
        "192.0.2.2:80@0 x3",
        "[2001:db8::1]:80@0 x3",
        "192.0.2.2:81@1 x3",
        "[2001:db8::1]:81@1 x3",
        "192.0.2.9:80@0 x3",
        "/run/app.sock@0 x3",
    ];
    assert_eq!(shown(&expand(&configured, false, &addresses)), all);
    let logical = [
        "us.example.net:80@0 x3",
        "eu.example.net:80@0 x3",
        "eu.example.net:81@1 x3",
        "192.0.2.9:80@0 x3",
        "/run/app.sock@0 x3",
    ];
    assert_eq!(shown(&expand(&configured, true, &addresses)), logical);
}
