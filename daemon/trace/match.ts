// Three-valued logic of rules: what they match, do not match, or match perhaps.
export type Match = 'yes' | 'no' | 'unknown';

export const toMatch = (isMatch: boolean): Match => (isMatch ? 'yes' : 'no');

export function negate(match: Match): Match {
  if (match === 'unknown') return match;
  return match === 'yes' ? 'no' : 'yes';
}

/** `no` if one is, else `unknown` if one is. */
export function every(matches: Iterable<Match>): Match {
  let result: Match = 'yes';
  for (const match of matches) {
    if (match === 'no') return 'no';
    if (match === 'unknown') result = 'unknown';
  }
  return result;
}

/** `yes` if one is, else `unknown` if one is. */
export function some(matches: Iterable<Match>): Match {
  let result: Match = 'no';
  for (const match of matches) {
    if (match === 'yes') return 'yes';
    if (match === 'unknown') result = 'unknown';
  }
  return result;
}
