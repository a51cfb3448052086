//! Nodes in lines of a label and a value: `kubectl describe node`, its YAML, `hostnamectl`, `docker info`. A label that
//! comes again begins the next node.

use super::{MOST_NODES, Node, release, value};

/// What was read of a node that isn't complete yet.
#[derive(Default)]
pub(super) struct Labels {
    node: Node,
    /// Whether it is Docker's description, which ends with the name.
    docker: bool,
    /// In YAML, where `metadata` stands, and where its own keys do once the first of them was seen.
    metadata: Option<(usize, Option<usize>)>,
}

/// A field of a node, as labels name it.
enum Field {
    Name,
    Release,
    OsImage,
    Kubelet,
    Runtime,
    Engine,
}

impl Labels {
    /// Takes a line; a node that it ends goes to `nodes`.
    pub(super) fn line(&mut self, line: &str, nodes: &mut Vec<Node>) {
        // An item of a list stands where its mark ends.
        let unmarked = line.replacen("- ", "  ", usize::from(line.trim_start().starts_with("- ")));
        let text = unmarked.trim_start();
        let indent = unmarked.len() - text.len();
        let Some((label, content)) = text.split_once(':') else { return };
        let (label, content) = (label.trim_end(), content.trim());
        if let Some((block, _)) = self.metadata
            && indent <= block
        {
            self.metadata = None;
        }
        if label == "metadata" {
            self.begin(nodes);
            self.metadata = Some((indent, None));
            return;
        }
        if let Some((block, keys @ None)) = &mut self.metadata
            && indent > *block
        {
            *keys = Some(indent);
        }
        let named_here = matches!(self.metadata, Some((_, Some(keys))) if keys == indent);
        let field = match label {
            "name" if named_here => Field::Name,
            "Name" | "Static hostname" | "Transient hostname" => Field::Name,
            "Kernel Version" | "kernelVersion" | "Kernel" => Field::Release,
            "OS Image" | "osImage" | "Operating System" if content != "linux" => Field::OsImage,
            "Kubelet Version" | "kubeletVersion" => Field::Kubelet,
            "Container Runtime Version" | "containerRuntimeVersion" => Field::Runtime,
            "Server Version" => Field::Engine,
            _ => return,
        };
        self.set(&field, content.trim_matches(['"', '\'']), nodes);
    }

    fn set(&mut self, field: &Field, content: &str, nodes: &mut Vec<Node>) {
        let found = match field {
            // The kernel's name can stand before its release.
            Field::Release => release(content.strip_prefix("Linux ").unwrap_or(content)),
            Field::Engine => value(content).map(|version| format!("docker://{version}")),
            _ => value(content),
        };
        let Some(found) = found else { return };
        let is_set = match field {
            Field::Name => self.node.name.is_some() || !self.node.release.is_empty() && !self.docker,
            Field::Release => !self.node.release.is_empty(),
            Field::OsImage => self.node.os_image.is_some(),
            Field::Kubelet => self.node.kubelet.is_some(),
            Field::Runtime | Field::Engine => self.node.runtime.is_some(),
        };
        if is_set {
            self.begin(nodes);
        }
        let node = &mut self.node;
        match field {
            Field::Name => node.name = Some(found),
            Field::Release => node.release = found,
            Field::OsImage => node.os_image = Some(found),
            Field::Kubelet => node.kubelet = Some(found),
            Field::Runtime => node.runtime = Some(found),
            Field::Engine => {
                node.runtime = Some(found);
                self.docker = true;
            }
        }
    }

    /// Begins the next node. What was read without a release is no node.
    fn begin(&mut self, nodes: &mut Vec<Node>) {
        let node = std::mem::take(self).node;
        if !node.release.is_empty() && nodes.len() < MOST_NODES {
            nodes.push(node);
        }
    }

    /// Ends the last node.
    pub(super) fn finish(mut self, nodes: &mut Vec<Node>) {
        self.begin(nodes);
    }
}
