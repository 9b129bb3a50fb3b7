// Mutation operators: what each kind of syntax becomes. One function a kind, each a list of replacements of the node.
import type * as acorn from 'acorn';

/** Text that replaces a node, or a part of it. */
export interface Replacement {
  readonly operator: string;
  readonly text: string;
  readonly of?: acorn.Node;
}

type Text = (node: acorn.Node) => string;
type Operator<T> = (node: T, text: Text) => readonly Replacement[];

const BINARY: Readonly<Record<string, readonly [operator: string, replacement: string]>> = {
  '<': ['off by one', '<='],
  '<=': ['off by one', '<'],
  '>': ['off by one', '>='],
  '>=': ['off by one', '>'],
  '===': ['negated condition', '!=='],
  '!==': ['negated condition', '==='],
  '+': ['arithmetic', '-'],
  '-': ['arithmetic', '+'],
  '*': ['arithmetic', '/'],
  '/': ['arithmetic', '*'],
};

/** Names that are easily taken for each other: directions, bounds, families. */
const OPPOSITES: readonly (readonly [string, string])[] = [
  ['Rx', 'Tx'],
  ['rx', 'tx'],
  ['sent', 'received'],
  ['min', 'max'],
  ['some', 'every'],
  ['set', 'remove'],
  ['add', 'delete'],
  ['startsWith', 'endsWith'],
];

const BOOLEANS = /^(?:[!=<>]|[!=]==|<=|>=|in|instanceof|&&|\|\|)$/;

export const OPERATORS: {
  readonly [T in acorn.AnyNode['type']]?: Operator<Extract<acorn.AnyNode, { type: T }>>;
} = {
  IfStatement: ({ test }, text) => [negated(test, text)],
  ConditionalExpression: ({ test }, text) => [negated(test, text)],
  WhileStatement: ({ test }, text) => [negated(test, text)],
  UnaryExpression: (node, text) =>
    node.operator === '!' ? [{ operator: 'negated condition', text: text(node.argument) }] : [],
  LogicalExpression: logical,
  BinaryExpression: binary,
  UpdateExpression: ({ argument, operator }, text) => [
    { operator: 'arithmetic', text: `${text(argument)} ${operator === '++' ? '-' : '+'}= 1` },
  ],
  Literal: ({ value }) =>
    typeof value === 'number'
      ? [changedNumber(value)]
      : typeof value === 'boolean'
        ? [{ operator: 'negated condition', text: String(!value) }]
        : [],
  MemberExpression: member,
  CallExpression: call,
  ExpressionStatement: statement,
  ReturnStatement: ({ argument }, text) => (argument ? wrongResults(argument, text) : []),
  ArrowFunctionExpression: ({ body }, text) =>
    body.type === 'BlockStatement' ? [] : wrongResults(body, text),
  ArrayExpression: ({ elements: [first, second] }, text) =>
    first && second
      ? [
          {
            operator: 'dropped element',
            of: first,
            text: first.type === 'SpreadElement' ? '...[]' : text(second),
          },
        ]
      : [],
  ObjectExpression: ({ properties }, text) => swappedProperties(properties, text),
  Property: ({ value }, text) => otherUnit(value, text),
  SpreadElement: () => [{ operator: 'dropped element', text: '...[]' }],
};

function negated(test: acorn.Expression, text: Text): Replacement {
  return { operator: 'negated condition', of: test, text: `!(${text(test)})` };
}

function logical({ left, right, operator }: acorn.LogicalExpression, text: Text): readonly Replacement[] {
  const name = 'dropped condition';
  if (operator === '??') return [{ operator: 'dropped default', text: text(left) }];
  return [
    { operator: name, text: `${text(left)} ${operator === '&&' ? '||' : '&&'} ${text(right)}` },
    { operator: name, text: text(left) },
    { operator: name, text: text(right) },
  ];
}

function binary({ left, right, operator }: acorn.BinaryExpression, text: Text): readonly Replacement[] {
  const [name, replacement] = BINARY[operator] ?? [];
  if (name === undefined || (operator === '+' && [left, right].some(isText))) return [];
  return [{ operator: name, text: `${text(left)} ${replacement} ${text(right)}` }];
}

function isText(node: acorn.Node): boolean {
  const isString = node.type === 'Literal' && typeof (node as acorn.Literal).value === 'string';
  return isString || node.type === 'TemplateLiteral';
}

/** The opposite name. */
function member({ property, computed }: acorn.MemberExpression): readonly Replacement[] {
  if (computed || property.type !== 'Identifier') return [];
  const { name } = property;
  const pair = OPPOSITES.find((names) =>
    names.some((one) => name === one || (/^[rt]x[A-Z]/.test(name) && name.startsWith(one))),
  );
  if (pair === undefined) return [];
  const [one, other] = name.startsWith(pair[0]) ? pair : [pair[1], pair[0]];
  return [{ operator: 'swapped direction', of: property, text: other + name.slice(one.length) }];
}

function call({ callee, arguments: args }: acorn.CallExpression, text: Text): readonly Replacement[] {
  const [first, second] = args;
  const found: Replacement[] = [];
  if (first && second && first.type !== 'SpreadElement' && second.type !== 'SpreadElement') {
    const rest = args.slice(2).map(text);
    found.push({
      operator: 'swapped arguments',
      text: `${text(callee)}(${[second, first].map(text).concat(rest).join(', ')})`,
    });
  }
  if (callee.type === 'Identifier' && args.length === 1 && first?.type !== 'SpreadElement')
    found.push({ operator: 'dropped call', text: `(${text(first!)})` });
  if (
    callee.type === 'MemberExpression' &&
    /^(filter|toSorted|sort|reverse|slice|trim)$/.test(text(callee.property))
  )
    found.push({ operator: 'dropped call', text: text(callee.object) });
  return [...found, ...args.flatMap((argument) => otherUnit(argument, text))];
}

/** A call or an assignment to a property that does not happen. */
function statement({ expression }: acorn.ExpressionStatement): readonly Replacement[] {
  const inner = expression.type === 'AwaitExpression' ? expression.argument : expression;
  if (inner.type === 'CallExpression' && inner.callee.type !== 'Super')
    return [{ operator: 'dropped call', text: ';' }];
  if (inner.type === 'AssignmentExpression') return [{ operator: 'dropped assignment', text: ';' }];
  return [];
}

function wrongResults(value: acorn.Expression, text: Text): readonly Replacement[] {
  return [...constants(value), ...otherUnit(value, text)];
}

function constants(value: acorn.Expression): readonly Replacement[] {
  const { operator } = value as acorn.BinaryExpression;
  const texts =
    BOOLEANS.test(operator ?? '') && value.type !== 'AssignmentExpression'
      ? ['true', 'false']
      : ['undefined'];
  return texts.map((text) => ({ operator: 'constant result', of: value, text }));
}

/** Two values of an object under each other's names. */
function swappedProperties(properties: readonly acorn.Node[], text: Text): readonly Replacement[] {
  const pairs = properties.filter(
    (property): property is acorn.Property =>
      property.type === 'Property' &&
      (property as acorn.Property).kind === 'init' &&
      !(property as acorn.Property).method,
  );
  const [one, other] = pairs;
  if (one === undefined || other === undefined || one.computed || other.computed) return [];
  return [{ operator: 'swapped properties', of: one, text: `${text(one.key)}: ${text(other.value)}` }];
}

/** A duration a thousand times as long. */
function otherUnit(value: acorn.Node, text: Text): readonly Replacement[] {
  const isDuration = /^[\w.#]+(?:Ms|Sec|Seconds)$/.test(text(value));
  return isDuration ? [{ operator: 'wrong unit', of: value, text: `${text(value)} * 1000` }] : [];
}

/** Large numbers are durations and bounds: one more is no fault. */
function changedNumber(value: number): Replacement {
  return value < 100
    ? { operator: 'off by one', text: String(value + 1) }
    : { operator: 'wrong unit', text: String(value * 1000) };
}
