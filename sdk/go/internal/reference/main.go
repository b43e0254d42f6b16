// SPDX-License-Identifier: Apache-2.0

// Reference writes docs/sdk-go.md: what the package exports, from its source.
// It is run in the folder of the package.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"log"
	"os"
	"strings"
)

//go:embed intro.md
var intro string

var sections = []struct{ file, title string }{
	{"setup.go", "Setup"},
	{"lifecycle.go", "Making and finding sandboxes"},
	{"options.go", "Options of a sandbox"},
	{"mounts.go", "Mounts and patches"},
	{"network.go", "Network"},
	{"secrets.go", "Secrets"},
	{"handle.go", "SandboxHandle"},
	{"sandbox.go", "Sandbox"},
	{"exec.go", "Commands"},
	{"exec_options.go", "Options of commands"},
	{"fs.go", "Files of a guest"},
	{"fs_stream.go", "Open files and streams"},
	{"volumes.go", "Volumes"},
	{"volume_fs.go", "Files of a volume"},
	{"logs.go", "Logs"},
	{"metrics.go", "Metrics"},
	{"images.go", "Images"},
	{"progress.go", "Progress of pulling"},
	{"snapshots.go", "Snapshots"},
	{"agent.go", "Agent client"},
	{"errors.go", "Errors"},
	{"enums.go", "Words"},
}

type reference struct {
	fset *token.FileSet
	// What a factory type, whose methods are called by a variable, is called.
	factories map[string]string
	out       bytes.Buffer
}

func (r *reference) source(node interface{}) string {
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.RawFormat}).Fprint(&b, r.fset, node); err != nil {
		log.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(b.String()), " "), "context.Context", "Context")
}

func text(comments ...*ast.CommentGroup) string {
	for _, c := range comments {
		if c != nil {
			return strings.Join(strings.Fields(c.Text()), " ")
		}
	}
	return ""
}

func (r *reference) row(what, doc string) {
	fmt.Fprintf(&r.out, "| %s | %s |\n", what, strings.ReplaceAll(doc, "|", `\|`))
}

// receiver is the name of a method's type.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	return t.(*ast.Ident).Name
}

func (r *reference) function(f *ast.FuncDecl) {
	of := receiver(f)
	if !f.Name.IsExported() || of != "" && !ast.IsExported(of) && r.factories[of] == "" {
		return
	}
	name := f.Name.Name
	if r.factories[of] != "" {
		name = r.factories[of] + "." + name
	} else if of != "" {
		name = of + "." + name
	}
	r.row("`"+name+strings.TrimPrefix(r.source(f.Type), "func")+"`", text(f.Doc))
}

// definition is a type, with the fields that are exported.
func (r *reference) definition(d *ast.GenDecl, spec *ast.TypeSpec) {
	if !spec.Name.IsExported() {
		return
	}
	doc := text(spec.Doc, d.Doc)
	if s, ok := spec.Type.(*ast.StructType); ok {
		for _, field := range s.Fields.List {
			names := []string{}
			for _, name := range field.Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
			if len(names) > 0 {
				doc += "<br>`" + strings.Join(names, ", ") + " " + r.source(field.Type) + "`"
				if about := text(field.Doc, field.Comment); about != "" {
					doc += ": " + about
				}
			}
		}
	}
	r.row("type `"+spec.Name.Name+"`", doc)
}

// values are constants, or variables, that stand together.
func (r *reference) values(d *ast.GenDecl) {
	exported, doc := "", text(d.Doc)
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if !name.IsExported() {
				continue
			}
			exported = name.Name
			about := text(v.Doc, v.Comment)
			if len(d.Specs) == 1 {
				about = ""
			}
			if len(v.Values) > i {
				if word, ok := v.Values[i].(*ast.BasicLit); ok {
					about = strings.TrimSuffix(word.Value+": "+about, ": ")
				}
			}
			doc += "<br>`" + strings.TrimSuffix(name.Name+"`: "+about, ": ")
		}
	}
	switch {
	case exported == "":
	case d.Tok == token.VAR:
		r.row("`"+exported+"`", text(d.Doc))
	default:
		r.row("constants", doc)
	}
}

func (r *reference) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		r.function(d)
	case *ast.GenDecl:
		if d.Tok == token.CONST || d.Tok == token.VAR {
			r.values(d)
			return
		}
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				r.definition(d, t)
			}
		}
	}
}

// factory notes variables such as Mount.
func (r *reference) factory(d ast.Decl) {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return
	}
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		if t, ok := v.Type.(*ast.Ident); ok && strings.HasSuffix(t.Name, "Factory") {
			r.factories[t.Name] = v.Names[0].Name
		}
	}
}

func main() {
	r := &reference{fset: token.NewFileSet(), factories: map[string]string{}}
	r.out.WriteString(intro)
	for _, s := range sections {
		file, err := parser.ParseFile(r.fset, s.file, nil, parser.ParseComments)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(&r.out, "\n## %s\n\n| | |\n|---|---|\n", s.title)
		for _, d := range file.Decls {
			r.factory(d)
		}
		for _, d := range file.Decls {
			r.declaration(d)
		}
	}
	if _, err := os.Stdout.Write(r.out.Bytes()); err != nil {
		log.Fatal(err)
	}
}
