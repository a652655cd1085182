/**
 * What an expression of PromQL asks for: which metrics, by which labels. Not a parser of the language: it knows as much as is
 * needed to refuse a name that nobody exports, a function that does not exist, and brackets that do not match. `promtool` judges
 * the rest where it is installed.
 */

export interface Selector {
  metric: string;
  /** Those that it matches by. */
  labels: string[];
}

/** The functions and aggregations that our expressions use; a new one is added here. */
const functions = new Set(
  "sum max min avg count topk rate increase changes avg_over_time absent vector histogram_quantile label_values".split(
    " ",
  ),
);
const grouping = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);
const operators = new Set(["and", "or", "unless", "bool", "offset"]);

const token =
  /\s+|(?<text>"(?:[^"\\]|\\.)*")|(?<word>[a-zA-Z_:][\w:]*)|(?<number>\d+(?:\.\d+)?(?:ms|[smhdwy])?)|(?<sign>==|!=|>=|<=|=~|!~|[-+*/%^<>=(){}[\],])/y;

/** @throws Error that says what is wrong with the expression */
export function selectorsOf(expression: string): Selector[] {
  const tokens = tokensOf(expression);
  checkBrackets(tokens, expression);
  const selectors: Selector[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const word = tokens[at] as string;
    if (!/^[a-zA-Z_:]/.test(word) || operators.has(word)) continue;
    const next = tokens[at + 1];
    if (grouping.has(word)) {
      if (next !== "(") throw new Error(`expected labels in parentheses behind ${word} in ${expression}`);
      at = tokens.indexOf(")", at);
    } else if (next === "(" || next === "by" || next === "without") {
      if (!functions.has(word)) throw new Error(`unknown function ${word} in ${expression}`);
      // label_values is Grafana's, and its last argument is a label.
      if (word === "label_values") return [{ metric: tokens[at + 2] ?? "", labels: [tokens.at(-2) ?? ""] }];
    } else {
      const end = next === "{" ? tokens.indexOf("}", at) : at;
      const labels = tokens.slice(at + 2, end).filter((one, index) => index % 4 === 0 && one !== ",");
      selectors.push({ metric: word, labels });
      at = end;
    }
  }
  if (selectors.length === 0) throw new Error(`no metric in ${expression}`);
  return selectors;
}

function tokensOf(expression: string): string[] {
  // Grafana's variables stand for what Prometheus will see.
  const text = expression.replaceAll(/\$__rate_interval|\$__interval/g, "5m");
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const from = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new Error(`cannot read ${JSON.stringify(text.slice(from, from + 20))} in ${expression}`);
    if (match[0].trim() !== "") tokens.push(match[0]);
  }
  return tokens;
}

function checkBrackets(tokens: readonly string[], expression: string): void {
  const pairs: Record<string, string> = { "(": ")", "{": "}", "[": "]" };
  const open: string[] = [];
  for (const one of tokens) {
    const closing = pairs[one];
    if (closing !== undefined) open.push(closing);
    else if (Object.values(pairs).includes(one) && open.pop() !== one) throw new Error(`stray ${one} in ${expression}`);
  }
  if (open.length > 0) throw new Error(`expected ${open.at(-1)} at the end of ${expression}`);
}
