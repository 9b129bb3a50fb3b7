// Reads the text of a config document as strict JSON (RFC 8259) with the place of every field. Finds what is wrong with
// the JSON and with field names; knows no field's meaning.
import { createScanner, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';
import type { ConfigIssues, SourceRange } from './config-issue.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';

/** Bounds that no sane document comes near, so that a hostile one costs neither time nor stack. */
const MAX_CHARACTERS = 65_536;
const MAX_DEPTH = 16;
const MAX_SHOWN_CHARACTERS = 60;
const MAX_SHOWN_NAME_CHARACTERS = 40;

/** A field with the name that the schema gives it and its place in the document. */
export interface ConfigField extends SourceRange {
  readonly node: Node;
}

/** The fields of an object, by the name that the schema gives them, and those that it does not name. */
export interface ObjectFields {
  readonly known: ReadonlyMap<string, ConfigField>;
  readonly unknown: readonly UnknownField[];
}

export interface UnknownField extends SourceRange {
  /** As written, shortened. Its value is nobody's business: it may be another program's secret. */
  readonly name: string;
}

/** Reads the document. `undefined` if its structure cannot be told; what is wrong is in `issues`. */
export function readDocument(text: string, issues: ConfigIssues): ConfigField | undefined {
  if (text.length > MAX_CHARACTERS) {
    issues.error(placeAt(0), `has ${text.length} characters: at most ${MAX_CHARACTERS} are read`);
    return undefined;
  }
  const tooDeepAt = findDepth(text, MAX_DEPTH);
  if (tooDeepAt !== undefined) {
    issues.error(placeAt(tooDeepAt), `nests more than ${MAX_DEPTH} levels here: two are enough`);
    return undefined;
  }
  reportSyntax(text, issues);
  const structureErrors: ParseError[] = [];
  // Comments and trailing commas are reported, but do not hide what else is wrong.
  const node = parseTree(text, structureErrors, { allowTrailingComma: true });
  if (node === undefined || structureErrors.length > 0) return undefined;
  return { path: '', offset: node.offset, value: shownValue(node, text), node };
}

/** Sorts the fields of an object. Letter case does not matter; of several with one name the last one counts. */
export function readFields(
  text: string,
  object: ConfigField,
  names: readonly string[],
  issues: ConfigIssues,
): ObjectFields {
  const canonical = new Map(names.map((name) => [name.toLowerCase(), name]));
  const known = new Map<string, ConfigField>();
  const unknown: UnknownField[] = [];
  for (const { children: [key, node] = [] } of object.node.children ?? []) {
    if (key === undefined || node === undefined) continue;
    const written = printable(String(key.value), MAX_SHOWN_NAME_CHARACTERS);
    const path = `${object.path}/${written.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const name = canonical.get(written.toLowerCase());
    const field: ConfigField = { path, offset: node.offset, value: shownValue(node, text), node };
    if (name === undefined) unknown.push({ path, offset: key.offset, name: written });
    else if (known.has(name)) issues.warn(field, 'is a repetition: the last one counts, remove the others');
    if (name !== undefined) known.set(name, field);
  }
  return { known, unknown };
}

/** Warns of an unknown field and names the one that was probably meant. */
export function warnUnknown(field: UnknownField, names: readonly string[], issues: ConfigIssues): void {
  const lowerNames = names.map((name) => name.toLowerCase());
  const similar = didYouMean(field.name.toLowerCase(), lowerNames);
  const meant = names.find((name) => name.toLowerCase() === similar);
  const hint = meant === undefined ? 'remove it' : `did you mean ${meant}?`;
  issues.warnUnknownField(field, `is no known field and is ignored: ${hint}`);
}

function reportSyntax(text: string, issues: ConfigIssues): void {
  const errors: ParseError[] = [];
  parseTree(text, errors, { disallowComments: true });
  const faults = errors.map(({ error, offset }) => ({ name: printParseErrorCode(error), offset }));
  // Behind the first error the parser guesses, so that all but comments would be noise.
  const first = faults.find(({ name }) => name !== COMMENT);
  for (const fault of faults)
    if (fault === first || fault.name === COMMENT)
      issues.error(placeAt(fault.offset), syntaxRule(fault.name, text, fault.offset));
  if (errors.length === 0 && !isJson(text))
    issues.error(placeAt(0), 'is not JSON: check it with a JSON validator');
}

function syntaxRule(name: string, text: string, offset: number): string {
  const found = text.slice(offset, offset + 1);
  const before = text.slice(0, offset);
  if (text.trim() === '') return 'is empty: write at least {"Network": "10.5.0.0/16"}';
  if (found === BYTE_ORDER_MARK) return 'starts with a byte order mark: remove it';
  if (/[}\]]/.test(found) && before.trimEnd().endsWith(','))
    return `has a comma before ${found}: JSON allows none, remove it`;
  const isPaddedNumber = /\d/.test(found) && /\d$/.test(before);
  if (isPaddedNumber) return SYNTAX_RULES.InvalidNumberFormat ?? name;
  if (name !== COMMENT && isJson(before)) return SYNTAX_RULES.EndOfFileExpected ?? name;
  return SYNTAX_RULES[name] ?? 'is not JSON here: check it with a JSON validator';
}

const COMMENT = 'InvalidCommentToken';
const BYTE_ORDER_MARK = '\uFEFF';
const SYNTAX_RULES: Readonly<Partial<Record<string, string>>> = {
  InvalidCommentToken: 'has a comment: JSON allows none, remove it',
  UnexpectedEndOfComment: 'has a comment without end: JSON allows no comments, remove it',
  InvalidSymbol: 'has a word that is not JSON: only true, false and null stand without double quotes',
  InvalidNumberFormat: 'has a number that is not JSON: write digits only, without leading zeros',
  UnexpectedEndOfNumber: 'has a number that is not JSON: write digits only, without leading zeros',
  PropertyNameExpected: 'lacks a field name in double quotes here',
  ValueExpected: 'lacks a value here',
  ColonExpected: 'lacks a colon between field name and value here',
  CommaExpected: 'lacks a comma between two fields here',
  CloseBraceExpected: 'lacks a closing } here',
  CloseBracketExpected: 'lacks a closing ] here',
  EndOfFileExpected: 'goes on after its end here: remove everything behind the last }',
  UnexpectedEndOfString: 'has a string without closing double quote',
  InvalidUnicode: String.raw`has an escape that is not JSON: \u takes four hex digits`,
  InvalidEscapeCharacter: String.raw`has an escape that is not JSON: write \\ for a backslash`,
  InvalidCharacter: 'has a control character inside a string: remove it',
};

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Offset of the first bracket that opens level `limit` + 1; without recursion, unlike the parser. */
function findDepth(text: string, limit: number): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  let previousOffset = -1;
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    const offset = scanner.getTokenOffset();
    if (offset === previousOffset) break;
    previousOffset = offset;
    const token = scanner.getTokenLength() === 1 ? text[offset] : '';
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    if (depth > limit) return offset;
  }
  return undefined;
}

function placeAt(offset: number): SourceRange {
  return { path: '', offset };
}

function shownValue(node: Node, text: string): string {
  if (node.type === 'object') return '{…}';
  if (node.type === 'array') return '[…]';
  return printable(text.slice(node.offset, node.offset + node.length), MAX_SHOWN_CHARACTERS);
}

/** One short line without invisible characters, as anybody may have written it. */
function printable(text: string, maxCharacters: number): string {
  const short = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
  return short.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}
