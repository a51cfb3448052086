//! Nodes in JSON: a node, a list of them, their `nodeInfo` alone, `docker info`; wherever in the document they stand.
//! It is read as a stream: of a list of any length only what is asked for is kept, and what was read before a text
//! breaks off stays.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{LONGEST_WORD, MOST_NODES, Node, release, value};

/// The nodes of a text that is JSON, from the first line that begins like it.
pub(super) fn nodes(text: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = 0;
    let mut start = None;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(['{', '[']) {
            start = Some(at);
            break;
        }
        at += line.len();
    }
    let Some(mut rest) = start.map(|start| &text[start..]) else { return nodes };
    // One document can follow the other.
    loop {
        let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let mut parser = serde_json::Deserializer::from_str(rest);
        let part = Seek { nodes: &mut nodes }.deserialize(&mut parser);
        if let Ok(part) = part {
            part.emit(&mut nodes);
        }
        // The length of a document is known once it was passed over.
        let ends = documents.next().is_some_and(|document| document.is_ok());
        let next = documents.byte_offset();
        if !ends || next == 0 || nodes.len() >= MOST_NODES {
            return nodes;
        }
        rest = rest[next..].trim_start();
        if !rest.starts_with(['{', '[']) {
            return nodes;
        }
    }
}

/// What a value says that the object around it may need.
#[derive(Default)]
struct Part {
    word: Option<String>,
    node: Node,
}

impl Part {
    fn emit(self, nodes: &mut Vec<Node>) {
        if !self.node.release.is_empty() && nodes.len() < MOST_NODES {
            nodes.push(self.node);
        }
    }
}

struct Seek<'n> {
    nodes: &'n mut Vec<Node>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Part;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<Part, E> {
        let word = (text.len() <= LONGEST_WORD).then(|| text.to_owned());
        Ok(Part { word, ..Part::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part, A::Error> {
        while let Some(part) = list.next_element_seed(Seek { nodes: &mut *self.nodes })? {
            part.emit(self.nodes);
        }
        Ok(Part::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut own = Part::default();
        while let Some(key) = map.next_key::<String>()? {
            let part = map.next_value_seed(Seek { nodes: &mut *self.nodes })?;
            let word = part.word.as_deref().and_then(value);
            let node = &mut own.node;
            match key.as_str() {
                "name" | "Name" => node.name = word.or(node.name.take()),
                "kernelVersion" | "KernelVersion" => {
                    node.release = word.as_deref().and_then(release).unwrap_or_default();
                }
                "osImage" => node.os_image = word,
                "OperatingSystem" => node.os_image = word.filter(|word| word != "linux"),
                "kubeletVersion" => node.kubelet = word,
                "containerRuntimeVersion" => node.runtime = word,
                "ServerVersion" => node.runtime = word.map(|version| format!("docker://{version}")),
                // The object around takes what these say.
                "metadata" => node.name = part.node.name.or(node.name.take()),
                "status" | "nodeInfo" if !part.node.release.is_empty() => {
                    *node = Node { name: node.name.take(), ..part.node };
                }
                _ => part.emit(self.nodes),
            }
        }
        Ok(own)
    }
}
