/** The table of verbs → scripts that complete it in bash, zsh and fish. Texts hold letters, digits and dashes only. */

import type { Option, Verb } from "./verb.ts";

/** Names by which a verb may be called. */
const namesOf = ({ name, aliases = [] }: Verb): string[] => [name, ...aliases];
const wordsOf = ({ words = {} }: Verb): string[] => Object.keys(words);
const flagsOf = ({ options }: Verb): string[] => [
  ...Object.entries(options).flatMap(([name, { short }]) => [
    `--${name}`,
    ...(short === undefined ? [] : [`-${short}`]),
  ]),
  "--help",
];
const valued = ({ options }: Verb): [string, Option][] =>
  Object.entries(options).filter(([, { type }]) => type === "string");

export function bashScript(verbs: readonly Verb[]): string {
  const all = verbs.flatMap(namesOf).join(" ");
  return `# bash completion for logwarden
_logwarden() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${all}" -- "$word"))
    return
  fi
  local words="" flags=""
  case "$verb" in
${verbs.map(bashCase).join("\n")}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "$words" -- "$word")); fi ;;
  esac
}
complete -o default -F _logwarden logwarden`;
}

function bashCase(verb: Verb): string {
  const values = valued(verb).map(([name, { short, choices }]) => {
    const flag = short === undefined ? `--${name}` : `--${name}|-${short}`;
    const reply = typeof choices === "object" ? `COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word"))` : ":";
    return `        ${flag}) ${choices === "file" ? 'COMPREPLY=($(compgen -f -- "$word"))' : reply}; return ;;`;
  });
  const inner = values.length === 0 ? [] : ['      case "$before" in', ...values, "      esac"];
  const words = wordsOf(verb).join(" ");
  return [
    `    ${namesOf(verb).join("|")})`,
    ...inner,
    `      words="${words}" flags="${flagsOf(verb).join(" ")}" ;;`,
  ].join("\n");
}

export function zshScript(verbs: readonly Verb[]): string {
  const described = verbs.flatMap((verb) => namesOf(verb).map((name) => `    ${quoted(`${name}:${verb.about}`)}`));
  return `#compdef logwarden
# zsh completion for logwarden
_logwarden() {
  local -a verbs
  verbs=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  case "$words[2]" in
${verbs.map(zshCase).join("\n")}
  esac
}
compdef _logwarden logwarden`;
}

function zshCase(verb: Verb): string {
  const flags = Object.entries(verb.options).flatMap(
    ([name, { short, type, multiple, about, value = "VALUE", choices }]) => {
      const takes =
        type === "boolean"
          ? ""
          : `:${value}:${choices === "file" ? "_files" : typeof choices === "object" ? `(${choices.join(" ")})` : ""}`;
      const star = multiple === true ? "*" : "";
      const what = `[${about.replaceAll(/[[\]:]/g, " ")}]`;
      return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])].map((flag) =>
        quoted(`${star}${flag}${what}${takes}`),
      );
    },
  );
  const first = wordsOf(verb).length > 0 ? [quoted(`2:word:(${wordsOf(verb).join(" ")})`)] : [];
  return `    ${namesOf(verb).join("|")}) _arguments ${[...flags, ...first, quoted("*:: :_files")].join(" \\\n      ")} ;;`;
}

export function fishScript(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap((verb) => {
    const names = namesOf(verb);
    const seen = quoted(`__fish_seen_subcommand_from ${names.join(" ")}`);
    return [
      ...names.map((name) => `complete -c logwarden -n __fish_use_subcommand -f -a ${name} -d ${quoted(verb.about)}`),
      ...Object.entries(verb.words ?? {}).map(
        ([word, about]) => `complete -c logwarden -n ${seen} -f -a ${word} -d ${quoted(about)}`,
      ),
      ...Object.entries(verb.options).map(([name, { short, type, about, choices }]) => {
        const letter = short === undefined ? "" : ` -s ${short}`;
        const takes =
          type === "boolean"
            ? ""
            : choices === "file"
              ? " -r -F"
              : typeof choices === "object"
                ? ` -x -a ${quoted(choices.join(" "))}`
                : " -x";
        return `complete -c logwarden -n ${seen} -l ${name}${letter}${takes} -d ${quoted(about)}`;
      }),
    ];
  });
  return ["# fish completion for logwarden", ...lines].join("\n");
}

/** One word for any of the three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
