// Elements of the page. Texts are text: nothing that comes from the daemon is parsed as markup.

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** The element with that id, which the template has. */
export function find(id: string): HTMLElement {
  return document.getElementById(id)!;
}

function withAttributes<Made extends Element>(
  made: Made,
  attributes: Attributes,
  children: readonly (Node | string)[],
): Made {
  for (const [name, value] of Object.entries(attributes)) setAttribute(made, name, value);
  made.append(...children);
  return made;
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  return withAttributes(document.createElement(name), attributes, children);
}

export function shape(
  name: string,
  attributes: Attributes,
  ...children: readonly (Node | string)[]
): SVGElement {
  return withAttributes(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

/** `undefined` and `false` remove it. Without effect on what is there already. */
export function setAttribute(target: Element, name: string, value: Attributes[string]): void {
  if (value === undefined || value === false) return target.removeAttribute(name);
  const text = value === true ? '' : String(value);
  if (target.getAttribute(name) !== text) target.setAttribute(name, text);
}

/** Keeps what the user has selected while the text stays the same. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
