use super::*;

#[test]
fn ports_are_different() {
    let addresses: [SocketAddr; 8] = free_addresses().unwrap();
    let ports: std::collections::BTreeSet<u16> = addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(ports.len(), 8);
}

#[test]
fn names_are_those_of_the_command_line() {
    for kind in Kind::value_variants() {
        assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
