/** `logwarden keepalived`: keepalived.conf of each balancer, made from the topology, and judged by keepalived itself. */

import { judge, keepalivedJudge } from "../topology/judge.ts";
import { renderKeepalived } from "../topology/keepalived.ts";
import { fileOptions, readTopology, verdictShape } from "../topology/read.ts";
import { writeWhole } from "../topology/write.ts";
import { z } from "zod";
import { CommandError, jsonOption, knownWord, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

const words = {
  render: "prints keepalived.conf of one balancer, or writes it as a whole with --output",
  check: "has keepalived judge what render prints (keepalived -t), for every balancer without --node",
};

const options = {
  node: { type: "string", value: "NAME", about: "a balancer of the topology" },
  ...fileOptions,
  ...jsonOption,
} as const;

const verdicts = z.array(z.strictObject({ node: z.string(), ...verdictShape }));

export const keepalived: Verb = {
  name: "keepalived",
  about: "keepalived.conf for each balancer: made from the topology, checked by keepalived",
  usage: ["keepalived render --node NAME [OPTIONS]", "keepalived check [OPTIONS]"],
  words,
  text: `Makes keepalived.conf from the topology of logwarden.yaml. Check it as root: keepalived looks at the scripts it would run as
the user it would run them as. Exit code 1 when it refuses. An --image must have curl and setpriv as well.`,
  options,
  examples: [
    "logwarden keepalived render --config deploy/topology.example.yaml --node lb-1",
    "logwarden keepalived check --node lb-1",
    "logwarden keepalived render --node lb-1 --output /etc/keepalived/keepalived.conf",
  ],
  json: {
    shape: z.union([
      z.strictObject({ config: z.string(), node: z.string(), output: z.string().nullable(), text: z.string() }),
      z.strictObject({ config: z.string(), nodes: verdicts }),
    ]),
  },
  run: async (args, context) => {
    const { output, environment } = context;
    const { values, positionals } = readArguments(args, options, 1);
    const word = knownWord("keepalived", positionals[0], words);
    if (word === "check" && values.output !== undefined) throw new UsageError("--output is for render");
    if (word === "render" && values.image !== undefined) throw new UsageError("--image is for check");
    const { config, topology } = readTopology(values, context);
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
