// Objects whose optional members are left out where they are undefined.

type Optional<Fields> = {
  [Name in keyof Fields]: undefined extends Fields[Name] ? Name : never;
}[keyof Fields];

/** Members that may be undefined are optional. */
export type Defined<Fields> = Omit<Fields, Optional<Fields>> & {
  [Name in Optional<Fields>]?: Exclude<Fields[Name], undefined>;
};

/**
 * `fields` without members that are undefined, in their order. For what thousands of peers have: of a literal with several
 * conditional spreads V8 gives each object a hidden class of its own, which takes 200 bytes and makes all its readers slower.
 */
export function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  const result: Partial<Fields> = {};
  for (const name in fields) if (fields[name] !== undefined) result[name] = fields[name];
  return result as Defined<Fields>;
}
