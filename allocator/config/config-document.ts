// Parses the text of a config document as strict JSON (RFC 8259) with the position of every field,
// and takes single fields out of its objects, checked against their schema. Knows no field's
// meaning.
import { createScanner, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';
import type { ConfigIssues, SourceRange } from './config.ts';
import type { FieldSchema, JsonType } from './config-schema.ts';
import { hintOfText, hintOfToken } from './syntax-hint.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';
import { Secret } from '../../lib/secret.ts';

/** Bounds that no sane document comes near, so that a hostile one costs neither time nor stack. */
const MAX_CHARACTERS = 65_536;
const MAX_DEPTH = 16;
const MAX_SHOWN_CHARACTERS = 60;
const MAX_SHOWN_NAME_CHARACTERS = 40;

/** Fields whose values no message shows. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['PSK', 'AccessKeySecret']);

/** A field with the name that the schema gives it and its place in the document. */
export interface ConfigField extends SourceRange {
  readonly node: Node;
}

/**
 * The fields of an object, by the name that the schema gives them, and those that it does not name.
 */
export interface ObjectFields {
  readonly known: ReadonlyMap<string, ConfigField>;
  readonly unknown: readonly UnknownField[];
}

export interface UnknownField extends SourceRange {
  /** As written, shortened. Its value stays unread: it may be another program's secret. */
  readonly name: string;
}

/** Parses the document; `undefined` if its structure is unclear. Errors go into `issues`. */
export function parseDocument(text: string, issues: ConfigIssues): ConfigField | undefined {
  if (text.length > MAX_CHARACTERS) {
    issues.error(positionAt(0), `has ${text.length} characters: at most ${MAX_CHARACTERS} are read`);
    return undefined;
  }
  const tooDeepAt = findDepth(text, MAX_DEPTH);
  if (tooDeepAt !== undefined) {
    issues.error(positionAt(tooDeepAt), `nests more than ${MAX_DEPTH} levels here: two are enough`);
    return undefined;
  }
  reportSyntax(text, issues);
  const structureErrors: ParseError[] = [];
  // Comments and trailing commas are reported, but do not hide what else is wrong.
  const node = parseTree(text, structureErrors, { allowTrailingComma: true });
  if (node === undefined || structureErrors.length > 0) return undefined;
  return { path: '', offset: node.offset, value: shownValue(node, text), node };
}

/**
 * Sorts the fields of an object. Letter case does not matter; of several with one name the last one
 * counts.
 */
export function parseFields(
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
    const shown = name !== undefined && SECRET_NAMES.has(name) ? {} : { value: shownValue(node, text) };
    const field: ConfigField = { path, offset: node.offset, ...shown, node };
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
  const hint = first === undefined ? undefined : hintOfText(text);
  if (hint !== undefined) return issues.error(positionAt(0), hint);
  for (const fault of faults)
    if (fault === first || fault.name === COMMENT)
      issues.error(positionAt(fault.offset), syntaxMessage(fault.name, text, fault.offset));
  if (errors.length === 0 && !isJson(text))
    issues.error(positionAt(0), 'is not JSON: check it with a JSON validator');
}

function syntaxMessage(name: string, text: string, offset: number): string {
  const found = text.slice(offset, offset + 1);
  const before = text.slice(0, offset);
  if (text.trim() === '') return 'is empty: write at least {"Network": "10.5.0.0/16"}';
  if (found === BYTE_ORDER_MARK) return 'starts with a byte order mark: remove it';
  if (/[}\]]/.test(found) && before.trimEnd().endsWith(','))
    return `has a comma before ${found}: JSON allows none, remove it`;
  const isPaddedNumber = /\d/.test(found) && /\d$/.test(before);
  if (isPaddedNumber) return SYNTAX_MESSAGES.InvalidNumberFormat ?? name;
  if (name !== COMMENT) {
    const foreign = hintOfToken(tokenAt(text, offset));
    if (foreign !== undefined) return foreign;
  }
  if (name !== COMMENT && isJson(before)) return SYNTAX_MESSAGES.EndOfFileExpected ?? name;
  return SYNTAX_MESSAGES[name] ?? 'is not JSON here: check it with a JSON validator';
}

/** The characters from `offset` up to the next one that JSON has outside of strings. */
function tokenAt(text: string, offset: number): string {
  return (
    /^[^ \t\r\n{}[\],:"]*[^ \t\r\n]?/u.exec(text.slice(offset, offset + MAX_SHOWN_CHARACTERS))?.[0] ?? ''
  );
}

const COMMENT = 'InvalidCommentToken';
const BYTE_ORDER_MARK = '\uFEFF';
const SYNTAX_MESSAGES: Readonly<Partial<Record<string, string>>> = {
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

/**
 * Offset of the first bracket that opens level `limit` + 1; without recursion, unlike the parser.
 */
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

function positionAt(offset: number): SourceRange {
  return { path: '', offset };
}

function shownValue(node: Node, text: string): string {
  if (node.type === 'object') return '{…}';
  if (node.type === 'array') return '[…]';
  return printable(text.slice(node.offset, node.offset + node.length), MAX_SHOWN_CHARACTERS);
}

/** One short line without invisible characters: the text comes from an untrusted author. */
function printable(text: string, maxCharacters: number): string {
  const short = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
  return short.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/**
 * The fields of one object. Absent and null mean unset; a wrong field is reported once and counts
 * as unset, but {@link ConfigFields.hasError}.
 */
export class ConfigFields<Name extends string> {
  readonly issues: ConfigIssues;
  readonly #object: SourceRange;
  readonly #fields: ReadonlyMap<string, ConfigField>;
  readonly #schemas: Readonly<Record<Name, FieldSchema>>;
  readonly #errors = new Set<Name>();

  constructor(
    object: SourceRange,
    fields: ReadonlyMap<string, ConfigField>,
    schemas: Readonly<Record<Name, FieldSchema>>,
    issues: ConfigIssues,
  ) {
    this.#object = object;
    this.#fields = fields;
    this.#schemas = schemas;
    this.issues = issues;
  }

  get(name: Name): ConfigField | undefined {
    return this.#fields.get(name);
  }

  /** Whether an error of the field is reported: its absence means nothing then. */
  hasError(name: Name): boolean {
    return this.#errors.has(name);
  }

  /** Reports `name` at its value, or as missing in its object. */
  error(name: Name, message: string): void {
    this.#errors.add(name);
    this.issues.error(this.#rangeOf(name), message);
  }

  warn(name: Name, message: string): void {
    this.issues.warn(this.#rangeOf(name), message);
  }

  /** The value, or the schema's default. */
  boolean(name: Name): boolean {
    return this.optionalBoolean(name) ?? this.#schemas[name].default === true;
  }

  /** The value; `undefined` if unset. */
  optionalBoolean(name: Name): boolean | undefined {
    const value = this.#read(name, 'boolean', 'must be true or false, without quotes');
    return value === undefined ? undefined : value === true;
  }

  /**
   * True, false or `keyword`; the schema's default if unset. Keywords match in exact spelling, as
   * in JSON.
   */
  booleanOr<Keyword extends string>(name: Name, keyword: Keyword): boolean | Keyword {
    const node = this.get(name)?.node;
    if (node?.type === 'boolean') return node.value === true;
    if (node?.type === 'string' && node.value === keyword) return keyword;
    if (node !== undefined && node.type !== 'null') {
      const written = node.type === 'string' ? String(node.value) : '';
      const similar = didYouMean(written.toLowerCase(), ['true', 'false', keyword]);
      const meant = similar === keyword ? `"${keyword}"` : `${similar} without quotes`;
      const hint = similar === undefined ? '' : `: did you mean ${meant}?`;
      this.error(name, `must be true, false or "${keyword}"${hint}`);
    }
    const { default: unset } = this.#schemas[name];
    return unset === keyword ? keyword : unset === true;
  }

  /** One of `keywords`; `undefined` if unset. In exact spelling. */
  choice<Keyword extends string>(name: Name, keywords: readonly Keyword[]): Keyword | undefined {
    const node = this.get(name)?.node;
    if (node === undefined || node.type === 'null') return undefined;
    const written = node.type === 'string' || node.type === 'boolean' ? String(node.value) : '';
    const keyword = keywords.find((each) => node.type === 'string' && each === written);
    if (keyword !== undefined) return keyword;
    const meant = { true: 'on', false: 'off' }[written] ?? written.toLowerCase();
    const similar = didYouMean(meant, keywords);
    const hint = similar === undefined ? '' : `: did you mean ${JSON.stringify(similar)}?`;
    this.error(name, `must be ${formatChoice(keywords)}${hint}`);
    return undefined;
  }

  string(name: Name): string | undefined {
    const example = JSON.stringify(this.#schemas[name].examples?.[0] ?? 'text');
    const value = this.#read(name, 'string', `must be a string, for example ${example}`);
    return typeof value === 'string' ? value : undefined;
  }

  /** A secret; unset if empty. Its field has no value to show. */
  secret(name: Name): Secret | undefined {
    const node = this.get(name)?.node;
    if (node === undefined || node.type === 'null' || node.value === '') return undefined;
    if (node.type === 'string') return new Secret(String(node.value));
    this.error(name, 'must be a string');
    return undefined;
  }

  /**
   * The value within the schema's bounds. `1.0` and `1e3` are refused too: flannel does not read
   * them.
   */
  integer(name: Name): number | undefined {
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER, $comment } = this.#schemas[name];
    const why = $comment === undefined ? '' : ` (${$comment})`;
    const message = `must be a whole number ${minimum}..${maximum}, digits only and without quotes${why}`;
    const value = this.#read(name, 'integer', message);
    if (typeof value !== 'number') return undefined;
    const isPlain = /^\d+$/.test(this.get(name)?.value ?? '');
    if (isPlain && value >= minimum && value <= maximum) return value;
    this.error(name, message);
    return undefined;
  }

  #read(name: Name, type: JsonType, message: string): unknown {
    const node = this.get(name)?.node;
    if (node === undefined) return undefined;
    if (node.type === 'null' && this.#schemas[name].type?.includes('null') === true) return undefined;
    if (node.type === (type === 'integer' ? 'number' : type)) return node.value;
    this.error(name, message);
    return undefined;
  }

  #rangeOf(name: Name): SourceRange {
    const { path, offset } = this.#object;
    return this.get(name) ?? { path: `${path}/${name}`, offset };
  }
}

/** For example `"auto", "on" or "off"`. */
function formatChoice(keywords: readonly string[]): string {
  const quoted = keywords.map((keyword) => JSON.stringify(keyword));
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}
