//! PostgreSQL, from Debian's package, behind a TCP route: queries, bulk copies both ways, TLS that the server itself
//! terminates, and a query that another connection cancels.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::gateway::Gateway;
use crate::redis::{run_client, start, wait_for};

const CONFIG: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: postgres, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 5432, name: postgres, protocol: TCP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: postgres, namespace: default}
spec:
  hosts: [db.example.com]
  resolution: STATIC
  ports: [{number: 5432, name: postgres, protocol: TCP, targetPort: 15432}]
  endpoints: [{address: 127.0.1.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: postgres, namespace: default}
spec:
  hosts: ['*']
  gateways: [istio-system/postgres]
  tcp:
  - route: [{destination: {host: db.example.com, port: {number: 5432}}}]
";

pub(crate) async fn run() -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("sallyport-postgres-").tempdir()?;
    let data = directory.path().join("data");
    let programs = programs()?;
    // Under another name than root, which PostgreSQL refuses to run as.
    let as_user = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(programs.join(program));
        command
    };
    let mut init = as_user("initdb");
    init.args(["--auth=trust", "--username=tester", "--no-sync", "-D"]).arg(&data);
    run_client(&mut init, "").await.context("initdb")?;
    certificate(&data).await?;
    let mut server = as_user("postgres");
    server.args(["-p", "15432", "-c", "listen_addresses=127.0.1.1", "-c", "fsync=off", "-c", "ssl=on"]);
    server.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display())).arg("-D").arg(&data);
    let _server = start(&mut server, "postgres")?;
    wait_for("127.0.1.1:15432").await?;
    let _gateway = Gateway::start(CONFIG).await?;
    let until = Instant::now() + Duration::from_secs(20);
    while psql("disable", "SELECT 1").await.is_err() {
        ensure!(Instant::now() < until, "PostgreSQL does not answer: {:?}", psql("disable", "SELECT 1").await);
        sleep(Duration::from_millis(100)).await;
    }

    let filled = "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 8) AS text FROM generate_series(1, 100000) n";
    ensure!(psql("disable", filled).await?.is_empty());
    for mode in ["disable", "require"] {
        ensure!(psql(mode, "SELECT count(*), sum(length(text)) FROM t").await? == "100000|25600000\n");
        let copied = psql(mode, "COPY t TO STDOUT").await?;
        ensure!(copied.lines().count() == 100_000, "{} lines", copied.lines().count());
        let input = format!("CREATE TABLE copy_{mode} (LIKE t);\nCOPY copy_{mode} FROM STDIN;\n{copied}\\.\n");
        run_client(psql_command(mode).arg("-f").arg("-"), &input).await.context("COPY FROM STDIN")?;
        let same = format!("SELECT count(*) FROM (TABLE t EXCEPT TABLE copy_{mode}) AS differ");
        ensure!(psql(mode, &same).await? == "0\n");
    }
    let used = psql("require", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await?;
    ensure!(used == "t\n", "TLS through the route: {used}");

    let waiting = tokio::spawn(async { psql("disable", "SELECT pg_sleep(30)").await });
    sleep(Duration::from_millis(300)).await;
    psql("disable", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'").await?;
    let cancelled = format!("{:#}", waiting.await?.err().context("the query was not cancelled")?);
    ensure!(cancelled.contains("canceling statement"), "{cancelled}");
    Ok(())
}

/// Where Debian keeps the server's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is missing (.ci/prerequisites test)")?;
    let newest = versions.flatten().map(|entry| entry.path().join("bin")).filter(|path| path.join("initdb").exists());
    newest.max().context("PostgreSQL's server is missing (.ci/prerequisites test)")
}

async fn certificate(data: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=db.example.com", "-days", "2"]);
    command.arg("-keyout").arg(data.join("server.key")).arg("-out").arg(data.join("server.crt"));
    run_client(&mut command, "").await.context("openssl req")?;
    std::fs::set_permissions(data.join("server.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

fn psql_command(mode: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-h", "127.0.0.1", "-p", "5432", "-U", "tester", "-d", "postgres", "-X", "-q", "-A", "-t"]);
    command.args(["-v", "ON_ERROR_STOP=1"]).env("PGSSLMODE", mode);
    command
}

async fn psql(mode: &str, statement: &str) -> anyhow::Result<String> {
    let mut command = psql_command(mode);
    run_client(command.arg("-c").arg(statement), "").await
}
