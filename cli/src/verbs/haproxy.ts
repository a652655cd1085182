/** `logwarden haproxy`: the balancers' haproxy.cfg, made from the topology, and judged by HAProxy itself. */

import { renderHaproxy, renderHaproxyWithVariables } from "../topology/haproxy.ts";
import { haproxyJudge, judge } from "../topology/judge.ts";
import { fileOptions, readTopology, verdictShape } from "../topology/read.ts";
import { writeWhole } from "../topology/write.ts";
import { z } from "zod";
import { type Context, jsonOption, knownWord, readArguments, UsageError, type Verb } from "../verb.ts";

const words = {
  render: "prints haproxy.cfg, the same for every balancer, or writes it as a whole with --output",
  check: "has HAProxy judge what render prints (haproxy -c); exit code 1 when it refuses",
};

const options = {
  ...fileOptions,
  "with-variables": {
    type: "boolean",
    about: "the file of the lab and of docker compose instead: values from the environment, no topology",
  },
  ...jsonOption,
} as const;

export const haproxy: Verb = {
  name: "haproxy",
  about: "haproxy.cfg for the balancers: made from the topology, checked by HAProxy",
  usage: ["haproxy render [OPTIONS]", "haproxy check [OPTIONS]"],
  words,
  text: `Makes haproxy.cfg from the topology of logwarden.yaml. A parser more is one line there, and on each balancer:

  logwarden haproxy check && logwarden haproxy render --output /etc/haproxy/haproxy.cfg && systemctl reload haproxy`,
  options,
  examples: [
    "logwarden haproxy render --config deploy/topology.example.yaml",
    "logwarden haproxy check --config deploy/topology.example.yaml --image haproxy:3.0",
  ],
  json: {
    shape: z.union([
      z.strictObject({ config: z.string().nullable(), output: z.string().nullable(), text: z.string() }),
      z.strictObject({ config: z.string().nullable(), ...verdictShape }),
    ]),
  },
  run: async (args, context) => {
    const { output, environment } = context;
    const { values, positionals } = readArguments(args, options, 1);
    const word = knownWord("haproxy", positionals[0], words);
    if (word === "check" && values.output !== undefined) throw new UsageError("--output is for render");
    if (word === "render" && values.image !== undefined) throw new UsageError("--image is for check");
    const { config, text } = made(values, context);
    if (word === "check") {
      const verdict = await judge(haproxyJudge, text, values.image, environment);
      if (values.json) await output.json({ config, ...verdict });
      else await output.lines([`${verdict.accepted ? "accepted" : "REFUSED"} by ${verdict.judge}`, ...verdict.said]);
      return verdict.accepted ? 0 : 1;
    }
    if (values.output !== undefined) writeWhole(values.output, text);
    if (values.json) await output.json({ config, output: values.output ?? null, text });
    else if (values.output === undefined) await output.block(text);
    else await output.line(`${values.output} is written`);
    return 0;
  },
};

function made(
  values: { config?: string | undefined; "with-variables"?: boolean | undefined },
  context: Context,
): { config: string | null; text: string } {
  if (values["with-variables"]) {
    if (values.config !== undefined) throw new UsageError("--with-variables takes nothing from --config");
    return { config: null, text: renderHaproxyWithVariables() };
  }
  const { config, topology } = readTopology(values, context);
  return { config, text: renderHaproxy(topology) };
}
