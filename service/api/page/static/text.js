// Small things about text and elements.

/** An element with these properties. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** From places in code points, as the service counts, to places in a string of JavaScript. */
export function places(text) {
  if (!/[\ud800-\udbff]/.test(text)) return (place) => place;
  const found = [];
  let place = 0;
  for (const character of text) {
    found.push(place);
    place += character.length;
  }
  found.push(place);
  return (point) => found[point];
}

/** Code points of a text. */
export function length(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
