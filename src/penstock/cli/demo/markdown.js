// Shows the little of Markdown that the model writes: paragraphs, code blocks, `code`, *stress*.
// Only ever by textContent: what a model says is text, whatever it looks like.

function markdownBlocks(text) {
  const blocks = [];
  let lines = [];
  let code = null;
  const endParagraph = () => {
    const paragraph = lines.join("\n").trim();
    if (paragraph) blocks.push({ kind: "text", text: paragraph });
    lines = [];
  };
  for (const line of text.split("\n")) {
    const fence = line.startsWith("```");
    if (code && fence) {
      code = null;
    } else if (code) {
      code.lines.push(line);
    } else if (fence) {
      endParagraph();
      code = { kind: "code", language: line.slice(3).trim(), lines: [] };
      blocks.push(code);
    } else if (line.trim() === "") {
      endParagraph();
    } else {
      lines.push(line);
    }
  }
  endParagraph();
  for (const block of blocks) if (block.lines) block.text = block.lines.join("\n");
  return blocks;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function paragraphElement(block) {
  const paragraph = element("p");
  for (const part of block.text.split(/(`[^`]+`|\*[^*\s][^*]*\*)/)) {
    if (/^`.+`$/.test(part)) paragraph.append(element("code", { textContent: part.slice(1, -1) }));
    else if (/^\*.+\*$/.test(part)) paragraph.append(element("em", { textContent: part.slice(1, -1) }));
    else if (part) paragraph.append(part);
  }
  return paragraph;
}

function codeElement(block) {
  const copy = element("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", () => copyFrom(copy, block.text));
  return element("div", { className: "code" },
    element("header", {}, element("span", { textContent: block.language }), copy),
    element("pre", { tabIndex: 0 }, element("code", { textContent: block.text })));
}

// Makes `target` show `text`; blocks that did not change keep their elements.
function showMarkdown(target, text) {
  const blocks = markdownBlocks(text);
  const shown = target.shownBlocks || [];
  blocks.forEach((block, index) => {
    const before = shown[index];
    if (before && before.kind === block.kind && before.text === block.text
        && before.language === block.language) return;
    const made = block.kind === "code" ? codeElement(block) : paragraphElement(block);
    if (target.children[index]) target.children[index].replaceWith(made);
    else target.append(made);
  });
  while (target.children.length > blocks.length) target.lastElementChild.remove();
  target.shownBlocks = blocks;
}
