package where

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/sluice-siem/sluice/pkg/source"
)

// vocabulary is the type of Fields for the expressions about one product: the same fields
// at the same offsets, with the product's names for its objects.
type vocabulary struct{ fields reflect.Type }

// The fields of the objects in Fields.
var (
	first, _  = reflect.TypeFor[Fields]().FieldByName("First")
	second, _ = reflect.TypeFor[Fields]().FieldByName("Second")
)

func vocabularyOf(p *source.Product) vocabulary {
	if p == nil {
		p = &source.Product{}
	}
	fields := reflect.VisibleFields(reflect.TypeFor[Fields]())
	for i, object := range []reflect.StructField{first, second} {
		name := p.Objects[i]
		if name == "" {
			name = "-" // no expression can name it
		}
		fields[object.Index[0]].Tag = reflect.StructTag("expr:" + strconv.Quote(name))
	}
	return vocabulary{reflect.StructOf(fields)}
}

// over returns fields as a value of the vocabulary, in the same memory.
func (v vocabulary) over(fields *Fields) any {
	return reflect.NewAt(v.fields, unsafe.Pointer(fields)).Interface()
}

// compile compiles an expression. Its errors are explained.
func (v vocabulary) compile(text string) (*vm.Program, error) {
	program, err := expr.Compile(text, expr.Env(v.over(&Fields{})), expr.AsBool())
	if err != nil {
		return nil, errors.New(v.explain(err))
	}
	return program, nil
}

// names returns the names of the fields in an expression.
func (v vocabulary) names() []string {
	var names []string
	for field := range v.fields.Fields() {
		if name := field.Tag.Get("expr"); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// parties returns the names of the fields that are parties, for a sentence.
func (v vocabulary) parties() string {
	var names []string
	for field := range v.fields.Fields() {
		if name := field.Tag.Get("expr"); field.Type == reflect.TypeFor[Party]() && name != "-" {
			names = append(names, name)
		}
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
