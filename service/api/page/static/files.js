// Files to translate, chosen or dropped; only where the service takes any.

import { upload } from "./client.js";

/** Let people give files; `give` is called with each. */
export function takeFiles(pane, choice, input, kinds, formats, give) {
  choice.hidden = false;
  input.accept = formats.join(",");
  kinds.textContent = `Kinds of files: ${formats.join(", ")}`;
  input.addEventListener("change", () => {
    if (input.files.length) give(input.files[0]);
    input.value = "";
  });
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  pane.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    pane.classList.add("dropping");
  });
  for (const name of ["dragleave", "drop"]) {
    pane.addEventListener(name, () => pane.classList.remove("dropping"));
  }
  pane.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    give(event.dataTransfer.files[0]);
  });
}

/**
 * Translate a file; the path of its translation, relative as all others. A proxy that does TLS, or
 * takes a prefix away, may be one that the service does not know, whose URL then leads elsewhere.
 */
export async function translateFile(file, fields, signal) {
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const { translatedFileUrl } = await upload("translate_file", form, signal);
  return `download_file/${translatedFileUrl.split("/").at(-1)}`;
}
