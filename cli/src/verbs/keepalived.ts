/** `logwarden keepalived`: keepalived.conf of each balancer, made from the topology, and judged by keepalived itself. */

import { judge, keepalivedJudge } from "../topology/judge.ts";
import { renderKeepalived } from "../topology/keepalived.ts";
import { configHelp, readTopology } from "../topology/read.ts";
import { writeWhole } from "../topology/write.ts";
import { CommandError, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";
import { wordWanted } from "./haproxy.ts";

export const keepalived: Verb = {
  name: "keepalived",
  about: "keepalived.conf for each balancer: made from the topology, checked by keepalived",
  help: `logwarden keepalived render --node NAME [--config FILE] [--output FILE] [--json]
logwarden keepalived check [--node NAME] [--config FILE] [--image IMAGE] [--json]

  render  prints keepalived.conf of one balancer, or writes it as a whole with --output
  check   has keepalived judge what render prints (keepalived -t), for every balancer without --node; as root, because
          keepalived looks at the scripts it would run as the user it would run them as. Exit code 1 when it refuses

  --node NAME    a balancer of the topology
  ${configHelp}
  --output FILE  written beside it and renamed: whoever reads FILE meanwhile sees the old one
  --image IMAGE  where this machine has no keepalived: a Docker image that has it, and curl and setpriv
  --json         render: {"config", "node", "output", "text"}; check: {"config", "nodes": [{"node", "accepted", "judge", "said"}]}

Examples:

  logwarden keepalived render --config deploy/topology.example.yaml --node lb-1
  logwarden keepalived check --node lb-1 &&
    logwarden keepalived render --node lb-1 --output /etc/keepalived/keepalived.conf && systemctl reload keepalived
`,
  run: async (args, { output, environment }) => {
    const { values, positionals } = readArguments(args, options, 1);
    const [word] = positionals;
    if (word !== "render" && word !== "check") throw new UsageError(wordWanted("keepalived", word));
    if (word === "check" && values.output !== undefined) throw new UsageError("--output is for render");
    if (word === "render" && values.image !== undefined) throw new UsageError("--image is for check");
    const { config, topology } = readTopology(values.config, environment);
    const names = Object.keys(topology.balancers);
    const { node } = values;
    if (node !== undefined && !names.includes(node)) {
      throw new CommandError(
        `no balancer "${node}"${suggestion(node, names) || `; balancers are ${names.join(", ")}`}`,
      );
    }
    if (word === "render") {
      if (node === undefined) throw new UsageError(`expected --node, one of ${names.join(", ")}`);
      const text = renderKeepalived(topology, node);
      if (values.output !== undefined) writeWhole(values.output, text);
      if (values.json) await output.json({ config, node, output: values.output ?? null, text });
      else if (values.output === undefined) await output.block(text);
      else await output.line(`${values.output} is written`);
      return 0;
    }
    const verdicts = [];
    for (const one of node === undefined ? names : [node]) {
      const verdict = await judge(keepalivedJudge, renderKeepalived(topology, one), values.image, environment);
      verdicts.push({ node: one, ...verdict });
      if (values.json) continue;
      await output.lines([`${one}: ${verdict.accepted ? "accepted" : "REFUSED"} by ${verdict.judge}`, ...verdict.said]);
    }
    if (values.json) await output.json({ config, nodes: verdicts });
    const refused = verdicts.filter(({ accepted }) => !accepted);
    if (refused.some((verdict) => !verdict.judge.startsWith("docker")) && process.getuid?.() !== 0) {
      output.complain("keepalived calls scripts insecure when it is not root: ask as root before you believe it");
    }
    return refused.length === 0 ? 0 : 1;
  },
};

const options = {
  node: { type: "string" },
  config: { type: "string" },
  output: { type: "string" },
  image: { type: "string" },
  json: { type: "boolean" },
} as const;
