/** `logwarden completion`: what a shell offers when somebody presses Tab, made of the table of verbs. */

import { z } from "zod";
import { bashScript, fishScript, zshScript } from "../completion.ts";
import { jsonOption, knownWord, readArguments, type Verb } from "../verb.ts";

const words = {
  bash: "for bash; source it, or keep it in /etc/bash_completion.d",
  zsh: "for zsh; keep it as _logwarden in a directory of $fpath",
  fish: "for fish; keep it in ~/.config/fish/completions/logwarden.fish",
};

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
const options = { ...jsonOption } as const;

export function completionOf(verbs: () => readonly Verb[]): Verb {
  return {
    name: "completion",
    about: "what a shell offers when somebody presses Tab",
    usage: ["completion bash|zsh|fish"],
    words,
    text: "Prints a script for the shell: verbs, their words, options and what these may be.",
    options,
    examples: [
      "source <(logwarden completion bash)",
      "logwarden completion fish > ~/.config/fish/completions/logwarden.fish",
    ],
    json: { shape: z.strictObject({ shell: z.string(), script: z.string() }) },
    run: async (args, { output }) => {
      const { values, positionals } = readArguments(args, options, 1);
      const shell = knownWord("completion", positionals[0], words);
      const script = scripts[shell](verbs());
      if (values.json) await output.json({ shell, script });
      else await output.block(script);
      return 0;
    },
  };
}
