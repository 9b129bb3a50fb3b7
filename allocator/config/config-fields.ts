// Takes single fields out of a config object, checked against the type and bounds of their schema. Absent and null mean
// unset; a bad field is reported once and then counts as unset but {@link ConfigFields.isBad}.
import type { ConfigField } from './config-document.ts';
import type { ConfigIssues, SourceRange } from './config-issue.ts';
import type { FieldSchema, JsonType } from './config-schema.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';

export class ConfigFields<Name extends string> {
  readonly issues: ConfigIssues;
  readonly #object: SourceRange;
  readonly #fields: ReadonlyMap<string, ConfigField>;
  readonly #schemas: Readonly<Record<Name, FieldSchema>>;
  readonly #bad = new Set<Name>();

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

  /** Whether the field was found to be wrong, so that nothing should be concluded from its absence. */
  isBad(name: Name): boolean {
    return this.#bad.has(name);
  }

  /** Reports `name` at its value, or as missing in its object. */
  error(name: Name, rule: string): void {
    this.#bad.add(name);
    this.issues.error(this.#place(name), rule);
  }

  warn(name: Name, rule: string): void {
    this.issues.warn(this.#place(name), rule);
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

  /** True, false or `word`; the schema's default if unset. Words match in exact spelling, as those of JSON do. */
  booleanOr<Word extends string>(name: Name, word: Word): boolean | Word {
    const node = this.get(name)?.node;
    if (node?.type === 'boolean') return node.value === true;
    if (node?.type === 'string' && node.value === word) return word;
    if (node !== undefined && node.type !== 'null') {
      const written = node.type === 'string' ? String(node.value) : '';
      const similar = didYouMean(written.toLowerCase(), ['true', 'false', word]);
      const meant = similar === word ? `"${word}"` : `${similar} without quotes`;
      const hint = similar === undefined ? '' : `: did you mean ${meant}?`;
      this.error(name, `must be true, false or "${word}"${hint}`);
    }
    const { default: unset } = this.#schemas[name];
    return unset === word ? word : unset === true;
  }

  /** One of `words`; `undefined` if unset. In exact spelling. */
  choice<Word extends string>(name: Name, words: readonly Word[]): Word | undefined {
    const node = this.get(name)?.node;
    if (node === undefined || node.type === 'null') return undefined;
    const written = node.type === 'string' || node.type === 'boolean' ? String(node.value) : '';
    const word = words.find((each) => node.type === 'string' && each === written);
    if (word !== undefined) return word;
    const meant = { true: 'on', false: 'off' }[written] ?? written.toLowerCase();
    const similar = didYouMean(meant, words);
    const hint = similar === undefined ? '' : `: did you mean ${JSON.stringify(similar)}?`;
    this.error(name, `must be ${formatChoice(words)}${hint}`);
    return undefined;
  }

  string(name: Name): string | undefined {
    const example = JSON.stringify(this.#schemas[name].examples?.[0] ?? 'text');
    const value = this.#read(name, 'string', `must be a string, for example ${example}`);
    return typeof value === 'string' ? value : undefined;
  }

  /** The value within the schema's bounds. `1.0` and `1e3` are refused too: flannel does not read them. */
  integer(name: Name): number | undefined {
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER, $comment } = this.#schemas[name];
    const why = $comment === undefined ? '' : ` (${$comment})`;
    const rule = `must be a whole number ${minimum}..${maximum}, digits only and without quotes${why}`;
    const value = this.#read(name, 'integer', rule);
    if (typeof value !== 'number') return undefined;
    const isPlain = /^\d+$/.test(this.get(name)?.value ?? '');
    if (isPlain && value >= minimum && value <= maximum) return value;
    this.error(name, rule);
    return undefined;
  }

  #read(name: Name, type: JsonType, rule: string): unknown {
    const node = this.get(name)?.node;
    if (node === undefined) return undefined;
    if (node.type === 'null' && this.#schemas[name].type?.includes('null') === true) return undefined;
    if (node.type === (type === 'integer' ? 'number' : type)) return node.value;
    this.error(name, rule);
    return undefined;
  }

  #place(name: Name): SourceRange {
    const { path, offset } = this.#object;
    return this.get(name) ?? { path: `${path}/${name}`, offset };
  }
}

/** For example `"auto", "on" or "off"`. */
function formatChoice(words: readonly string[]): string {
  const quoted = words.map((word) => JSON.stringify(word));
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}
