//! What the demo tells in the end. Pure.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use super::pods::Running;
use crate::progress::human;

/// Everything worth telling.
#[derive(Debug)]
pub struct Summary {
    /// How long each part took, in order.
    pub times: Vec<(&'static str, Duration)>,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The folder of `kubectl`.
    pub bin: PathBuf,
    /// The Registry's namespace.
    pub namespace: String,
    /// The Registry's name.
    pub registry: String,
    /// Its URL in the cluster.
    pub url: String,
    /// The name and digest of what was pushed, and what it is.
    pub pushed: Vec<(String, String, String)>,
    /// What runs.
    pub pods: Vec<Running>,
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.times.iter().map(|(_, time)| *time).sum();
        let parts: Vec<_> =
            self.times.iter().map(|(what, time)| format!("{what} {}", human(*time))).collect();
        writeln!(out, "\nIt runs, after {}: {}.\n", human(total), parts.join(", "))?;
        writeln!(out, "Registry {}/{} is Ready at {}", self.namespace, self.registry, self.url)?;
        for (name, digest, contents) in &self.pushed {
            writeln!(out, "  pushed  {name}: {contents}\n          {digest}")?;
        }
        for pod in &self.pods {
            writeln!(
                out,
                "Pod {}/{} runs on node {}; its kubelet says:",
                self.namespace,
                pod.name,
                pod.node.name()
            )?;
            for pull in &pod.pulls {
                writeln!(out, "  {pull}")?;
            }
        }
        writeln!(out, "\nTo look around:")?;
        for command in self.commands() {
            writeln!(out, "  {command}")?;
        }
        writeln!(out, "To take everything down: make demo-down")
    }
}

impl Summary {
    /// What to try next, by copy and paste.
    fn commands(&self) -> Vec<String> {
        let (namespace, registry) = (&self.namespace, &self.registry);
        let mut commands = vec![
            format!("export KUBECONFIG={} PATH={}:$PATH", self.kubeconfig.display(), self.bin.display()),
            "kubectl get registries --all-namespaces --output wide".to_owned(),
            format!("kubectl --namespace {namespace} describe registry {registry}"),
            format!(
                "kubectl --namespace {namespace} get all,secrets,configmaps --selector entrepot.dev/registry={registry}"
            ),
        ];
        if let Some(pod) = self.pods.first() {
            let mut line = String::new();
            let _ = write!(line, "kubectl --namespace {namespace} exec {} --container busybox -- ", pod.name);
            line += "wget -q -O - http://127.0.0.1:8080/";
            commands.push(line);
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Node;

    #[test]
    fn it_reads_well() {
        let pod = |node: Node| Running {
            name: format!("hello-{}", node.name()),
            node,
            image_ids: [("busybox".to_owned(), "main.registries.svc/demo/busybox@sha256:1".to_owned())]
                .into(),
            pulls: vec![
                "Successfully pulled image \"main.registries.svc/demo/busybox:1\" in 31ms".to_owned(),
            ],
        };
        let summary = Summary {
            times: vec![("cluster", Duration::from_secs(12)), ("operator", Duration::from_secs(70))],
            kubeconfig: "/run/entrepot-kind/admin.kubeconfig".into(),
            bin: "/root/.cache/entrepot/bin".into(),
            namespace: "registries".to_owned(),
            registry: "main".to_owned(),
            url: "https://main.registries.svc".to_owned(),
            pushed: vec![(
                "main.registries.svc/demo/busybox:1".into(),
                "sha256:1".into(),
                "one image".into(),
            )],
            pods: Node::ALL.map(pod).into(),
        };
        assert_eq!(summary.to_string(), include_str!("summary.golden.txt"));
    }
}
