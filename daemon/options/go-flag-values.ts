// Parses the text of one flag value as Go's `strconv` does, and checks the flag's bound.
import type { FlagDefinition, NumberFlag, StringFlag } from './flag-definition.ts';

export type ParsedFlagValue =
  | { readonly value: string | boolean | number | readonly string[] }
  /** The rule that the value breaks, without the value. */
  | { readonly problem: string };

/** Parses `text` as a value of `flag`. */
export function parseFlagValue(flag: FlagDefinition, text: string): ParsedFlagValue {
  switch (flag.type) {
    case 'string':
      return parseChoice(flag, text);
    case 'bool':
      return parseBool(text);
    case 'repeatable':
      return { value: [text] };
    case 'int':
      return checkBound(flag, parseGoInt(text), 'an integer');
    case 'duration-seconds':
      return checkBound(flag, parseSeconds(text), 'seconds, or a number with s, m or h');
  }
}

function parseChoice(flag: StringFlag, text: string): ParsedFlagValue {
  if (flag.choices === undefined || flag.choices.includes(text)) return { value: text };
  return { problem: `must be one of ${flag.choices.join(', ')}` };
}

/** The spellings of `strconv.ParseBool`. */
function parseBool(text: string): ParsedFlagValue {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return { value: true };
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return { value: false };
  return { problem: 'must be true or false' };
}

function checkBound(flag: NumberFlag, value: number | undefined, wanted: string): ParsedFlagValue {
  const [min, max] = flag.bound ?? [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  const range = flag.bound === undefined ? '' : ` from ${min} to ${max}`;
  if (value === undefined || value < min || value > max) return { problem: `must be ${wanted}${range}` };
  return { value };
}

/**
 * Decimal, `0x`, `0o` or `0b`; a leading zero alone means octal, as in `strconv.ParseInt` with base
 * 0.
 */
function parseGoInt(text: string): number | undefined {
  const match = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0o?[0-7]+|0|[1-9]\d*)$/i.exec(text);
  if (match?.[2] === undefined) return undefined;
  const digits = match[2].replace(/^0o?(?=[0-7]+$)/i, '0o');
  const value = match[1] === '-' ? -Number(digits) : Number(digits);
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

function parseSeconds(text: string): number | undefined {
  const unit = SECONDS_OF[text.at(-1) ?? ''];
  const count = parseGoInt(unit === undefined ? text : text.slice(0, -1));
  return count === undefined ? undefined : count * (unit ?? 1);
}
