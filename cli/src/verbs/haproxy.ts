/** `logwarden haproxy`: the balancers' haproxy.cfg, made from the topology, and judged by HAProxy itself. */

import { renderHaproxy, renderHaproxyWithVariables } from "../topology/haproxy.ts";
import { haproxyJudge, judge } from "../topology/judge.ts";
import { configHelp, readTopology } from "../topology/read.ts";
import { writeWhole } from "../topology/write.ts";
import { readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

export const haproxy: Verb = {
  name: "haproxy",
  about: "haproxy.cfg for the balancers: made from the topology, checked by HAProxy",
  help: `logwarden haproxy render [--config FILE] [--output FILE] [--json]
logwarden haproxy check [--config FILE] [--image IMAGE] [--json]

  render  prints haproxy.cfg, the same for every balancer, or writes it as a whole with --output
  check   has HAProxy judge what render prints (haproxy -c); exit code 1 when it refuses

  ${configHelp}
  --output FILE  written beside it and renamed: whoever reads FILE meanwhile sees the old one
  --image IMAGE  where this machine has no HAProxy: a Docker image that has it
  --with-variables
                 the file of the lab and of docker compose instead: values from the environment, no topology
  --json         render: {"config", "output", "text"}; check: {"config", "accepted", "judge", "said"}

A parser more is one line in logwarden.yaml, and on each balancer:

  logwarden haproxy check && logwarden haproxy render --output /etc/haproxy/haproxy.cfg && systemctl reload haproxy

Examples:

  logwarden haproxy render --config deploy/topology.example.yaml
  logwarden haproxy check --config deploy/topology.example.yaml --image haproxy:3.0
`,
  run: async (args, { output, environment }) => {
    const { values, positionals } = readArguments(args, options, 1);
    const [word] = positionals;
    if (word !== "render" && word !== "check") throw new UsageError(wordWanted("haproxy", word));
    if (word === "check" && values.output !== undefined) throw new UsageError("--output is for render");
    if (word === "render" && values.image !== undefined) throw new UsageError("--image is for check");
    const { config, text } = made(values, environment);
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

const options = {
  config: { type: "string" },
  output: { type: "string" },
  image: { type: "string" },
  "with-variables": { type: "boolean" },
  json: { type: "boolean" },
} as const;

function made(
  values: { config?: string | undefined; "with-variables"?: boolean | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): { config: string | null; text: string } {
  if (values["with-variables"]) {
    if (values.config !== undefined) throw new UsageError("--with-variables takes nothing from --config");
    return { config: null, text: renderHaproxyWithVariables() };
  }
  const { config, topology } = readTopology(values.config, environment);
  return { config, text: renderHaproxy(topology) };
}

/** What is wrong with the word behind `haproxy` or `keepalived`. */
export function wordWanted(verb: string, word: string | undefined): string {
  if (word === undefined) return "expected render or check";
  return `no "${verb} ${word}"${suggestion(word, ["render", "check"]) || "; there are render and check"}`;
}
