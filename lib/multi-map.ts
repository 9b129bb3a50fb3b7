// Several values a key, of which nearly all keys have one: a single value has no set around it, which takes some 200 bytes.
// In the order of addition.
export class MultiMap<Key, Value extends string | number> {
  readonly #values = new Map<Key, Value | Set<Value>>();

  has(key: Key): boolean {
    return this.#values.has(key);
  }

  get(key: Key): readonly Value[] {
    const values = this.#values.get(key);
    if (values === undefined) return [];
    return values instanceof Set ? [...values] : [values];
  }

  add(key: Key, value: Value): void {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, value);
    else if (values instanceof Set) values.add(value);
    else if (values !== value) this.#values.set(key, new Set([values, value]));
  }

  delete(key: Key, value: Value): void {
    const values = this.#values.get(key);
    if (!(values instanceof Set)) {
      if (values === value) this.#values.delete(key);
      return;
    }
    values.delete(value);
    if (values.size === 0) this.#values.delete(key);
  }
}
